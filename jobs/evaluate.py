"""Evaluate job: a run and known labels in, metrics and a report out."""

import dataclasses

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from jobs.console import Console
from jobs.inputs import place
from schemas.config import EvaluateConfig
from schemas.options import CatalogOptions
from schemas.prediction import Decision
from schemas.taxonomy import Level
from tagger.catalog.manifest import Manifest
from tagger.catalog.patterns import text_column
from tagger.catalog.stores import ImageStore, open_store
from tagger.errors import InputError, UsageError
from tagger.evaluation.breakdown import difference
from tagger.evaluation.metrics import Evaluation, Predicted
from tagger.evaluation.pictures import Pictures
from tagger.evaluation.report import ITEMS, Against, Extras, write_report
from tagger.inference.runs import RunDirectory
from tagger.models.bundle import CARD, Bundle
from tagger.storage import Location

_COLUMNS = ("id", "decision", "blurScore", *(f"{level}{suffix}" for level in Level for suffix in ("", "Confidence")))


def run(config: EvaluateConfig, console: Console) -> int:
    """Compare a run's predictions with a labelled manifest, item by item."""
    directory = RunDirectory(place(config.run, config))
    predictions = directory.read(_COLUMNS).to_pandas()
    record = directory.record()
    bundle = Bundle.load(place(config.model, config)) if config.model else None
    if bundle and record and bundle.card.model_id != record.model_id:
        raise UsageError(
            f"--model: {config.model} is {bundle.card.model_id}, but the run was made by {record.model_id}"
        )
    other = _other_predictions(config)
    out = place(config.out, config)
    out.check_writable("--out")

    manifest = Manifest(place(config.labels, config), config, "--labels")
    options = _image_options(config)
    store = open_store(options, manifest) if options.images else None
    labels = _labels(config, manifest, store, bundle)
    if config.split:
        labels = labels[labels["id"].isin(_split_ids(config))]
    joined = labels.merge(predictions, on="id", suffixes=("_true", ""))
    evaluation = _evaluation(config, joined, bundle)
    against = _against(config, evaluation, other, _trained_on(config)) if other is not None else None
    facts: dict[str, object] = {
        "run": record.run_id if record else "",
        "model": record.model_id if record else "",
        "labelled items": f"{len(labels):,}",
        "of them in the run": f"{len(joined):,}",
    }
    extras = Extras(
        against=against,
        pictures=Pictures(store, options.max_pixels) if store else None,
        blur_threshold=bundle.card.blur_threshold if bundle else None,
    )
    page = write_report(out, "Evaluation report", facts, evaluation, extras)
    _say(console, evaluation, against, str(page))
    return 0


def _image_options(config: EvaluateConfig) -> CatalogOptions:
    """The labelled manifest and its images, as other jobs name them."""
    shared = {name: getattr(config, name) for name in CatalogOptions.model_fields if hasattr(config, name)}
    return CatalogOptions(manifest=config.labels, **shared)


def _labels(
    config: EvaluateConfig, manifest: Manifest, store: ImageStore | None, bundle: Bundle | None
) -> pd.DataFrame:
    """Items with both labels: id, one column a level, imageRef where there is a store, time where there is one."""
    merge = {**(bundle.card.taxonomy.merge if bundle else {}), **config.merge}
    columns = ["id", *map(str, Level)]
    absent = [c for c in columns if c not in manifest.role_columns()]
    if absent:
        raise InputError(f"--labels: {config.labels} has no {', '.join(absent)}; name the column with --column")
    tables = []
    for batch in manifest.batches():
        table = batch.items.select(columns).to_pandas()
        if store:
            table["imageRef"] = store.locate(batch)
        if batch.column(config.time_by) is not None:
            table["time"] = text_column(batch, config.time_by, "--time-by").to_pylist()
        tables.append(table)
    labels = pd.concat(tables).dropna(subset=columns) if tables else pd.DataFrame(columns=columns)
    if labels.empty:
        raise InputError(f"--labels: no row of {config.labels} has both labels")
    labels[Level.MASTER_CATEGORY] = labels[Level.MASTER_CATEGORY].map(lambda m: merge.get(m, m))
    return labels


def _split_ids(config: EvaluateConfig) -> set[str]:
    file = place(config.model or "", config) / "splits.parquet"
    if not file.exists():
        raise InputError(f"--split: the bundle has no {file.name}")
    return _of_side(file, config.split or "")


def _trained_on(config: EvaluateConfig) -> set[str]:
    """The items that the run's own bundle, or the other one, was trained on, as far as they are named."""
    found: set[str] = set()
    for name in (config.model, config.against):
        file = place(name, config) / "splits.parquet" if name else None
        found |= _of_side(file, "train") if file and file.exists() else set()
    return found


def _of_side(file: Location, side: str) -> set[str]:
    table = _read(file)
    return {i for i, s in zip(table["id"].to_pylist(), table["split"].to_pylist(), strict=True) if s == side}


def _read(file: Location) -> pa.Table:
    with file.open_random() as source:
        return pq.read_table(source)


def _evaluation(config: EvaluateConfig, joined: pd.DataFrame, bundle: Bundle | None) -> Evaluation:
    """Metrics over the items that have a prediction and a leaf that the model knows; the others are counted."""
    tagged = joined[joined["decision"] != Decision.FAILED]
    if bundle:
        known = bundle.card.taxonomy.index
        pairs = zip(tagged["masterCategory_true"], tagged["articleType_true"], strict=True)
        inside = tagged[np.array([pair in known for pair in pairs], bool)]
    else:
        inside = tagged
    if inside.empty:
        raise InputError("--labels: none of the labelled items has a prediction in the run; are the ids the same?")
    levels = {level: _predicted(inside, level) for level in Level}
    items = inside[[c for c in ("id", "imageRef", "blurScore", "time") if c in inside]].reset_index(drop=True)
    left_out = len(tagged) - len(inside)
    return Evaluation(config.split or "labelled items", levels, left_out, len(joined) - len(tagged), items)


def _predicted(table: pd.DataFrame, level: Level) -> Predicted:
    return Predicted(
        table[f"{level}_true"].to_numpy(object),
        table[level].to_numpy(object),
        table[f"{level}Confidence"].to_numpy(np.float32),
    )


def _other_predictions(config: EvaluateConfig) -> pd.DataFrame | None:
    """What --against predicts, by id; of a bundle, for its test items. None where there is no --against."""
    if config.against is None:
        return None
    where = place(config.against, config)
    if not (where / CARD).exists():
        found: pd.DataFrame = RunDirectory(where).read(_COLUMNS, "--against").to_pandas()
        return found[found["decision"] != Decision.FAILED]
    file = where / "report" / ITEMS
    if not file.exists():
        raise InputError(f"--against: {where} has no {file.name} in its report; name a run of that bundle instead")
    items: pd.DataFrame = _read(file).to_pandas()
    return items


def _against(config: EvaluateConfig, evaluation: Evaluation, other: pd.DataFrame, trained_on: set[str]) -> Against:
    """Both sides on the items that both have, and that neither bundle was trained on."""
    ids = evaluation.items["id"]
    common = ids.isin(set(other["id"]) - trained_on).to_numpy(bool)
    if not common.any():
        reason = "none of the labelled items of the run that neither bundle was trained on"
        raise InputError(f"--against: {config.against} has {reason}")
    own = evaluation.only(common)
    theirs = other.set_index("id").loc[own.items["id"]]
    levels = {
        level: Predicted(
            own.levels[level].truth,
            theirs[level].to_numpy(object),
            theirs[f"{level}Confidence"].to_numpy(np.float32),
        )
        for level in Level
    }
    name = place(config.against or "", config).name
    return Against(name, own, dataclasses.replace(own, levels=levels))


def _say(console: Console, evaluation: Evaluation, against: Against | None, page: str) -> None:
    metrics = evaluation.metrics()
    console.metrics(f"Against {metrics.split}", metrics)
    document = metrics.model_dump(mode="json", by_alias=True) | {"failed": evaluation.failed, "report": page}
    if against:
        console.metrics(f"{against.name}, on the items that both have", against.other.metrics())
        document["against"] = {
            str(level): dataclasses.asdict(difference(own, against.other.levels[level]))
            for level, own in against.own.levels.items()
        }
    if metrics.outside_taxonomy or evaluation.failed:
        console.say(
            f"Not counted: {metrics.outside_taxonomy} items of leaves that the model does not know, "
            f"{evaluation.failed} failed."
        )
    console.say(f"Report: {page}")
    console.result(document)


if __name__ == "__main__":
    from jobs.cli import main

    main(job="evaluate")
