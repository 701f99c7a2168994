"""Evaluate job: a run and known labels in, metrics and a report out."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from jobs.console import Console
from jobs.inputs import place
from schemas.config import EvaluateConfig
from schemas.prediction import Decision
from schemas.taxonomy import Level
from tagger.catalog.manifest import Manifest
from tagger.errors import InputError, UsageError
from tagger.evaluation.metrics import Evaluation, Predicted
from tagger.evaluation.report import write_report
from tagger.inference.runs import RunDirectory
from tagger.models.bundle import Bundle

_COLUMNS = ("id", "decision", *(f"{level}{suffix}" for level in Level for suffix in ("", "Confidence")))


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
    out = place(config.out, config)
    out.check_writable("--out")

    labels = _labels(config, bundle)
    if config.split:
        labels = labels[labels["id"].isin(_split_ids(config))]
    joined = labels.merge(predictions, on="id", suffixes=("_true", ""))
    evaluation = _evaluation(config, joined, bundle)
    facts: dict[str, object] = {
        "run": record.run_id if record else "",
        "model": record.model_id if record else "",
        "labelled items": f"{len(labels):,}",
        "of them in the run": f"{len(joined):,}",
    }
    page = write_report(out, "Evaluation report", facts, evaluation)
    _say(console, evaluation, str(page))
    return 0


def _labels(config: EvaluateConfig, bundle: Bundle | None) -> pd.DataFrame:
    merge = {**(bundle.card.taxonomy.merge if bundle else {}), **config.merge}
    columns = ["id", *map(str, Level)]
    manifest = Manifest(place(config.labels, config), config, "--labels")
    absent = [c for c in columns if c not in manifest.role_columns()]
    if absent:
        raise InputError(f"--labels: {config.labels} has no {', '.join(absent)}; name the column with --column")
    tables = [batch.items.select(columns).to_pandas() for batch in manifest.batches()]
    labels = pd.concat(tables).dropna() if tables else pd.DataFrame(columns=columns)
    if labels.empty:
        raise InputError(f"--labels: no row of {config.labels} has both labels")
    labels[Level.MASTER_CATEGORY] = labels[Level.MASTER_CATEGORY].map(lambda m: merge.get(m, m))
    return labels


def _split_ids(config: EvaluateConfig) -> set[str]:
    file = place(config.model or "", config) / "splits.parquet"
    if not file.exists():
        raise InputError(f"--split: the bundle has no {file.name}")
    with file.open_random() as source:
        table: pa.Table = pq.read_table(source)
    return {i for i, s in zip(table["id"].to_pylist(), table["split"].to_pylist(), strict=True) if s == config.split}


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
    levels = {
        level: Predicted(
            inside[f"{level}_true"].to_numpy(object),
            inside[level].to_numpy(object),
            inside[f"{level}Confidence"].to_numpy(np.float32),
        )
        for level in Level
    }
    return Evaluation(config.split or "labelled items", levels, len(tagged) - len(inside), len(joined) - len(tagged))


def _say(console: Console, evaluation: Evaluation, page: str) -> None:
    metrics = evaluation.metrics()
    console.metrics(f"Against {metrics.split}", metrics)
    if metrics.outside_taxonomy or evaluation.failed:
        console.say(
            f"Not counted: {metrics.outside_taxonomy} items of leaves that the model does not know, "
            f"{evaluation.failed} failed."
        )
    console.say(f"Report: {page}")
    console.result(metrics.model_dump(mode="json", by_alias=True) | {"failed": evaluation.failed, "report": page})


if __name__ == "__main__":
    from jobs.cli import main

    main(job="evaluate")
