"""Combine job: bundles that were trained on the same items in, one bundle out."""

import time
from collections import Counter
from datetime import UTC, datetime

import pandas as pd

from tagger.cluster.session import ray_session, wants_gpu
from tagger.dataset.items import LabelledItems
from tagger.dataset.splits import SPLITS
from tagger.dataset.splits_file import SPLITS_FILE, read_splits
from tagger.errors import InputError, UsageError
from tagger.evaluation.pictures import Pictures
from tagger.io.location import Location
from tagger.io.parquet import write_parquet
from tagger.jobs.shell.console import Console
from tagger.jobs.shell.figures import percent
from tagger.models.bundle import CARD, Bundle
from tagger.models.combine import average_predictions, average_weights, with_own_statistics
from tagger.schemas.configs.train import CombineConfig
from tagger.schemas.documents.bundle import Metrics
from tagger.schemas.documents.taxonomy import Level
from tagger.workflows.held_out import calibrate_and_measure, evaluate_side, model_inputs, write_bundle_report
from tagger.workflows.holding_out import holds_out
from tagger.workflows.labelled import decode_sides, failures, read_labelled, reviewed_labels
from tagger.workflows.open_catalog import open_catalog, place, versions

_HELD_OUT = ("val", "test")
_STATISTICS_ITEMS, _STATISTICS_BATCH = 4096, 128


@holds_out
def run(config: CombineConfig, console: Console) -> int:
    """Average bundles, calibrate the result on the items that all hold out as val, measure it on their test items."""
    started = time.monotonic()
    out = place(config.out, config)
    if (out / CARD).exists():
        raise UsageError(f"--out: {out} holds a bundle already; name a new folder")
    places = [place(name, config) for name in config.model]
    members = _members(places)
    combined = average_predictions(members) if config.average == "predictions" else average_weights(members)
    sides = _common_sides(places, console)
    manifest, store = open_catalog(config, console)
    reviewed = reviewed_labels(config)
    if reviewed:
        manifest.relabel(reviewed)
    elif any(member.card.provenance.config.get("decisions") for member in members):
        console.warn("Bundles were trained with review decisions; without --decisions the manifest's labels judge them")
    out.check_writable("--out")
    work = out / "_work"
    work.delete()
    time_by = config.time_by if config.time_by in manifest.columns else ""

    with ray_session(config, with_data=True):
        console.step("Reading the manifest")
        columns = [time_by] if time_by else []
        rows, staged = read_labelled(manifest, store, work, columns)
        items = LabelledItems.of_split(rows, combined.card.taxonomy, sides, time_by)
        own_statistics = config.average == "weights"
        sides_read = SPLITS if own_statistics else SPLITS[1:]
        read = items.with_few_train(_STATISTICS_ITEMS, seed=0)
        console.step(f"Decoding images: {', '.join(f'{read.split_items()[s]:,} {s}' for s in sides_read)}")
        form = combined.card.preprocessing
        images = decode_sides(read, store, form, config.max_pixels, work, console, sides=sides_read)
        failed = failures(work)
        device = "cuda" if wants_gpu(config) else "cpu"
        if own_statistics:
            console.step("Taking statistics of batch norm anew")
            inputs = model_inputs(combined, images["train"], _STATISTICS_BATCH)
            combined = with_own_statistics(combined, members, inputs, device)
        console.step("Calibrating on val, measuring on test")
        failed_of_test = failed["split"].to_pylist().count("test")
        measured = calibrate_and_measure(combined, images, device, failed_of_test)
        own = [evaluate_side(member, images["test"], device).metrics() for member in members]

    provenance = members[0].card.provenance.model_copy(
        update={
            "created_at": datetime.now(UTC),
            "versions": versions(),
            "config": {**members[0].card.provenance.config, "average": config.average, "bundles": _names(members)},
            "split_items": items.split_items(),
            "data_fingerprint": items.fingerprint(),
            "failed_images": failed.num_rows,
            "rejects": staged.rejects,
            "epochs": (),
            "training_s": sum(m.card.provenance.training_s for m in members) + time.monotonic() - started,
        }
    )
    bundle = measured.bundle.changed(metrics=(measured.metrics,), provenance=provenance)
    facts: dict[str, object] = {
        "model": f"{bundle.card.model_id}: the average of {config.average} of {', '.join(_names(members))}",
        "items": ", ".join(f"{name} {count:,}" for name, count in items.split_items().items()),
        "leaves": len(bundle.card.taxonomy.leaves),
        "temperature": f"{bundle.card.calibration.temperature:.3f}",
        **{f"{m.card.model_id} alone": _in_words(figures) for m, figures in zip(members, own, strict=True)},
    }
    write_bundle_report(out / "report", measured, Pictures(store, config.max_pixels), facts, work)
    write_parquet(out / SPLITS_FILE, items.split_table())
    bundle.save(out)
    work.delete()
    if config.average == "weights" and _is_below_all(measured.metrics, own):
        console.warn("The average of the weights is below every member: they did not begin alike; average predictions")
    _say(console, bundle, members, own, out)
    return 0


def _members(places: list[Location]) -> list[Bundle]:
    """The bundles. Raises UsageError when two of them are one model."""
    members = [Bundle.load(where, "BUNDLES") for where in places]
    repeated = [name for name, count in Counter(_names(members)).items() if count > 1]
    if repeated:
        raise UsageError(f"BUNDLES: model {repeated[0]} is named twice; its average with itself is the same model")
    return members


def _common_sides(places: list[Location], console: Console) -> dict[str, str]:
    """The side of every item: what one bundle was trained on trains; val and test are what all hold out as that."""
    sides = pd.concat([read_splits(where, "BUNDLES") for where in places], axis=1)
    same = sides.nunique(axis=1, dropna=False) == 1
    found = sides.iloc[:, 0].where(same, "train")
    counts = Counter(found)
    if not counts["val"] or not counts["test"]:
        raise InputError("BUNDLES: they hold out no items in common; train them on one manifest with one --split-seed")
    for side in _HELD_OUT:
        own = int((sides == side).sum().max())
        if 2 * counts[side] < own:
            console.warn(
                f"Of {own:,} {side} items of a bundle, all hold out only {counts[side]:,}, which judge the average; "
                "train them with one --split-seed"
            )
    return {str(item): side for item, side in found.items()}


def _names(bundles: list[Bundle]) -> list[str]:
    return [b.card.model_id for b in bundles]


def _is_below_all(average: Metrics, members: list[Metrics]) -> bool:
    found = average.levels[Level.ARTICLE_TYPE].accuracy
    return all(found < member.levels[Level.ARTICLE_TYPE].accuracy for member in members)


def _in_words(metrics: Metrics) -> str:
    return ", ".join(f"{level} {percent(m.accuracy, 2)}" for level, m in metrics.levels.items())


def _say(console: Console, bundle: Bundle, members: list[Bundle], own: list[Metrics], out: Location) -> None:
    (test,) = bundle.card.metrics
    rows = [
        (name, *(percent(metrics.levels[level].accuracy, 2) for level in Level))
        for name, metrics in zip([*_names(members), f"{bundle.card.model_id} (all)"], [*own, test], strict=True)
    ]
    console.table("Accuracy on the common test items", ["model", *map(str, Level)], rows)
    console.metrics(f"Test metrics of {bundle.card.model_id}", test)
    console.say(f"Bundle: {out}")
    console.say(f"Report: {out / 'report/index.html'}")
    alone = {name: m.model_dump(mode="json", by_alias=True) for name, m in zip(_names(members), own, strict=True)}
    console.result(
        {
            "bundle": str(out),
            "modelId": bundle.card.model_id,
            "metrics": test.model_dump(mode="json", by_alias=True),
            "members": alone,
        }
    )


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="combine")
