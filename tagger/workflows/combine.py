"""Combines bundles that were trained on the same items into one bundle."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pandas as pd

from tagger.cluster.session import ray_session, wants_gpu
from tagger.confidence.familiarity import in_words
from tagger.dataset.items import LabelledItems
from tagger.dataset.splits import SPLITS
from tagger.dataset.splits_file import SPLITS_FILE, read_splits
from tagger.errors import InputError, UsageError
from tagger.evaluation.pictures import Pictures
from tagger.images.stores import ImageStore
from tagger.io.location import Location
from tagger.io.parquet import write_parquet
from tagger.manifest.manifest import Manifest
from tagger.models.bundle import CARD, Bundle
from tagger.models.combine import average_predictions, average_weights, update_batchnorm
from tagger.models.familiarity import Familiarity, Neighbours
from tagger.reporter import LOG, Reporter
from tagger.schemas.configs.train import CombineConfig
from tagger.schemas.documents.bundle import Metrics
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.wording import listed
from tagger.workflows.folder_locks import locks_out
from tagger.workflows.held_out import (
    BundleReport,
    Measured,
    MeasuredBundle,
    calibrate_and_measure,
    evaluate_side,
    model_inputs,
    write_bundle_report,
)
from tagger.workflows.labelled import decode_sides, failures, read_labelled, reviewed_labels
from tagger.workflows.open_catalog import open_catalog, resolve_location, resolve_model, versions

_HELD_OUT = ("val", "test")
_STATISTICS_ITEMS, _STATISTICS_BATCH = 4096, 128


@dataclass(frozen=True)
class CombineResult(MeasuredBundle):
    """A combined bundle, with the metrics of itself and its members on the common test items."""

    members: Mapping[str, Metrics]
    """Metrics of each member, by its modelId."""


@locks_out
def combine(config: CombineConfig, reporter: Reporter = LOG) -> CombineResult:
    """Average bundles, calibrate the result on their common val items, and measure it on their common test items.

    Args:
        config: The bundles, the catalogue that they were trained on, and `out`, the new bundle's folder.
        reporter: Where steps, warnings and progress go.

    Returns:
        The combined bundle in `config.out`.

    Raises:
        UsageError: when bundles differ in taxonomy or input, two of them are one model, or `out` holds a bundle.
        InputError: when they hold out no items in common, or no image of a side can be used.

    Example::

        from tagger.schemas.configs.train import CombineConfig
        from tagger.workflows.combine import combine

        result = combine(CombineConfig(model=["a", "b"], manifest="styles.csv", images="images/", out="both"))
        alone = max(metrics.levels["articleType"].accuracy for metrics in result.members.values())
        print(result.metrics.levels["articleType"].accuracy - alone)
    """
    started = time.monotonic()
    out = resolve_location(config.out, config)
    if (out / CARD).exists():
        raise UsageError(f"--out: {out} holds a bundle already; name a new folder")
    folders = [resolve_model(name, config) for name in config.model]
    members = _members(folders)
    combined = average_predictions(members) if config.average == "predictions" else average_weights(members)
    neighbours = _neighbours(folders, members, reporter) if config.average == "predictions" else ()
    sides = _common_sides(folders, reporter)
    manifest, store = open_catalog(config, reporter)
    _relabel(config, manifest, members, reporter)
    out.check_writable("--out")
    work = out / "_work"
    work.delete()
    with ray_session(config, with_data=True):
        measurement = _measure(config, reporter, _Inputs(members, combined, sides, manifest, store, work, neighbours))
    bundle = _described(config, measurement, members, time.monotonic() - started)
    _write_report(config, bundle, measurement, Pictures(store, config.max_pixels), out, work)
    write_parquet(out / SPLITS_FILE, measurement.items.split_table())
    if measurement.measured.familiarity:
        measurement.measured.familiarity.save(out)
    bundle.save(out)
    work.delete()
    metrics = measurement.measured.metrics
    if config.average == "weights" and _is_below_all(metrics, list(measurement.alone.values())):
        reporter.warn("The average of the weights is below every member: they did not begin alike; average predictions")
    return CombineResult(out, bundle.card, measurement.alone)


@dataclass(frozen=True)
class _Inputs:
    """The bundles to combine, and the items for calibration and measurement."""

    members: Sequence[Bundle]
    combined: Bundle
    sides: Mapping[str, str]
    manifest: Manifest
    store: ImageStore
    work: Location
    neighbours: Sequence[Neighbours]
    """What tells unfamiliar images, by the members; none where that has to be learnt again."""


@dataclass(frozen=True)
class _Measurement:
    """The measured average, its items, and the metrics of its members."""

    measured: Measured
    items: LabelledItems
    alone: Mapping[str, Metrics]
    failed_images: int
    rejects: int


def _measure(config: CombineConfig, reporter: Reporter, inputs: _Inputs) -> _Measurement:
    """Decode, calibrate and measure, on Ray."""
    combined, manifest, work = inputs.combined, inputs.manifest, inputs.work
    reporter.step("Reading the manifest")
    time_by = config.time_by if config.time_by in manifest.columns else ""
    rows, staged = read_labelled(manifest, inputs.store, work, [time_by] if time_by else [])
    items = LabelledItems.of_split(rows, combined.card.taxonomy, dict(inputs.sides), time_by)
    own_statistics = config.average == "weights"
    sides_read = SPLITS if own_statistics else SPLITS[1:]
    read = items.with_few_train(_STATISTICS_ITEMS, seed=0)
    reporter.step(f"Decoding images: {', '.join(f'{read.split_items()[s]:,} {s}' for s in sides_read)}")
    form = combined.card.preprocessing
    images = decode_sides(read, inputs.store, form, config.max_pixels, work, reporter, sides=sides_read)
    failed = failures(work)
    device = "cuda" if wants_gpu(config) else "cpu"
    if own_statistics:
        reporter.step("Taking statistics of batch norm anew")
        batches = model_inputs(combined, images["train"], _STATISTICS_BATCH)
        combined = update_batchnorm(combined, inputs.members, batches, device)
    reporter.step("Calibrating on val, measuring on test")
    measured = calibrate_and_measure(combined, images, device, failed, neighbours=inputs.neighbours)
    alone = {m.card.model_id: evaluate_side(m, images["test"], device).metrics() for m in inputs.members}
    return _Measurement(measured, items, alone, failed.num_rows, staged.rejects)


def _described(config: CombineConfig, measurement: _Measurement, members: Sequence[Bundle], seconds: float) -> Bundle:
    """The measured bundle with its metrics and provenance."""
    first = members[0].card.provenance
    provenance = first.model_copy(
        update={
            "created_at": datetime.now(UTC),
            "versions": versions(),
            "config": {**first.config, "average": config.average, "bundles": _names(members)},
            "split_items": measurement.items.split_items(),
            "data_fingerprint": measurement.items.fingerprint(),
            "failed_images": measurement.failed_images,
            "rejects": measurement.rejects,
            "epochs": (),
            "training_s": sum(m.card.provenance.training_s for m in members) + seconds,
        }
    )
    return measurement.measured.bundle.changed(metrics=(measurement.measured.metrics,), provenance=provenance)


def _neighbours(folders: Sequence[Location], members: Sequence[Bundle], reporter: Reporter) -> list[Neighbours]:
    """What tells unfamiliar images, by all members; none if one of them does not know."""
    known = [Familiarity.load_if_any(folder, m.card) for folder, m in zip(folders, members, strict=True)]
    unable = [m.card.model_id for one, m in zip(known, members, strict=True) if one is None]
    if unable:
        reporter.warn(
            f"{listed(unable)} cannot tell unfamiliar images, so the average cannot, either; train anew for that"
        )
        return []
    return [one for familiarity in known if familiarity for one in familiarity.members]


def _members(folders: Sequence[Location]) -> list[Bundle]:
    """The bundles. Raises UsageError when two of them are one model."""
    members = [Bundle.load(folder, "--model") for folder in folders]
    repeated = [name for name, count in Counter(_names(members)).items() if count > 1]
    if repeated:
        raise UsageError(f"--model: model {repeated[0]} is named twice; its average with itself is the same model")
    return members


def _common_sides(folders: Sequence[Location], reporter: Reporter) -> dict[str, str]:
    """The side of every item: train if any bundle was trained on it; val or test if all bundles agree."""
    sides = pd.concat([read_splits(folder, "--model") for folder in folders], axis=1)
    same = sides.nunique(axis=1, dropna=False) == 1
    common = sides.iloc[:, 0].where(same, "train")
    counts = Counter(common)
    if not counts["val"] or not counts["test"]:
        raise InputError("--model: they hold out no items in common; train them on one manifest with one --split-seed")
    for side in _HELD_OUT:
        most = int((sides == side).sum().max())
        if 2 * counts[side] < most:
            reporter.warn(
                f"Of {most:,} {side} items of a bundle, all hold out only {counts[side]:,}, which judge the average; "
                "train them with one --split-seed"
            )
    return {str(item): side for item, side in common.items()}


def _relabel(config: CombineConfig, manifest: Manifest, members: Sequence[Bundle], reporter: Reporter) -> None:
    """Replace the manifest's labels with review decisions, if `decisions` names some."""
    reviewed = reviewed_labels(config)
    if reviewed:
        manifest.relabel(reviewed)
    elif any(member.card.provenance.config.get("decisions") for member in members):
        reporter.warn(
            "Bundles were trained with review decisions; without --decisions the manifest's labels judge them"
        )


def _write_report(
    config: CombineConfig, bundle: Bundle, measurement: _Measurement, pictures: Pictures, out: Location, work: Location
) -> None:
    card = bundle.card
    facts: dict[str, object] = {
        "model": f"{card.model_id}: the average of {config.average} of {', '.join(measurement.alone)}",
        "items": ", ".join(f"{name} {count:,}" for name, count in measurement.items.split_items().items()),
        "leaves": len(card.taxonomy.leaves),
        "temperature": f"{card.calibration.temperature:.3f}",
        **({"unfamiliar": in_words(card.familiarity)} if card.familiarity else {}),
        **{f"{model_id} alone": _accuracies(metrics) for model_id, metrics in measurement.alone.items()},
    }
    about = BundleReport(card, measurement.items.frame)
    write_bundle_report(out / "report", measurement.measured, pictures, facts, work, about)


def _names(bundles: Sequence[Bundle]) -> list[str]:
    return [b.card.model_id for b in bundles]


def _is_below_all(average: Metrics, members: Sequence[Metrics]) -> bool:
    accuracy = average.levels[Level.ARTICLE_TYPE].accuracy
    return all(accuracy < member.levels[Level.ARTICLE_TYPE].accuracy for member in members)


def _accuracies(metrics: Metrics) -> str:
    return ", ".join(f"{level} {100 * m.accuracy:.2f}%" for level, m in metrics.levels.items())
