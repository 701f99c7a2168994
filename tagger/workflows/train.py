"""Trains a bundle from a manifest and images."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np

from tagger.cluster.session import check_workers, ray_session, wants_gpu
from tagger.confidence.familiarity import in_words
from tagger.confidence.neighbours import MOST_IMAGES
from tagger.dataset.decoding import DecodeShard
from tagger.dataset.items import LEFT_OUT, LabelledItems
from tagger.dataset.not_learnt import not_learnt
from tagger.dataset.split_rule import SplitRule
from tagger.dataset.splits_file import SPLITS_FILE
from tagger.dataset.usable import UsableRows
from tagger.decisions.labels import ReviewedLabels
from tagger.errors import InputError, TaggerError, UsageError
from tagger.evaluation.pictures import Pictures
from tagger.evaluation.report import Training
from tagger.images.stores import ImageStore
from tagger.imaging.quality import learn_blur_threshold
from tagger.io.location import Location
from tagger.io.parquet import write_parquet
from tagger.machine import threads_of_environment, usable_cores
from tagger.manifest.manifest import Manifest
from tagger.manifest.no_value import NoValue
from tagger.models.backbones import check_weights
from tagger.models.bundle import CARD, Bundle
from tagger.models.classifier import pack
from tagger.reporter import LOG, Reporter
from tagger.schemas.configs.train import TrainConfig
from tagger.schemas.documents.bundle import ModelCard, Provenance
from tagger.schemas.values import parse_range
from tagger.training import recipes
from tagger.training.identity import check_same, claim, identity_of
from tagger.training.on_ray import CHECKPOINTS, Sides, Trained, edge_threshold, fit, image_dataset
from tagger.training.plan import Plan, draft_card, initial_weights, with_edge_threshold
from tagger.training.row_images import Decoder, RowImages
from tagger.training.tensorboard import TensorBoardLog
from tagger.workflows import taught_page
from tagger.workflows.attributes_taught import AttributesResult, check_attributes, teach_attributes
from tagger.workflows.evidence_taught import Asked, EvidenceResult, teach, with_columns
from tagger.workflows.folder_locks import locks_out
from tagger.workflows.held_out import (
    BundleReport,
    Measured,
    MeasuredBundle,
    calibrate_and_measure,
    write_bundle_report,
)
from tagger.workflows.labelled import (
    Learnable,
    clean_up_if_refused,
    failures,
    read_learnable,
    reviewed_labels,
    split_labelled,
    usable_sides,
)
from tagger.workflows.open_catalog import open_catalog, resolve_location, versions
from tagger.workflows.training_watch import TrainingWatch

_THRESHOLD_IMAGES = 2000
_LEFT_OUT_ITEMS = 2000
_BEGUN = "begun"
"""File that says that checkpoints may exist: from then on, the rows of the training stay the same."""


@dataclass(frozen=True)
class TrainResult(MeasuredBundle):
    """A trained bundle, with metrics on test items that neither training nor calibration has seen."""

    evidence: EvidenceResult | None = None
    """What titles and columns say, if the config names some and the training was not finished before."""
    attributes: AttributesResult | None = None
    """The same of attributes."""


@locks_out
def train(config: TrainConfig, reporter: Reporter = LOG) -> TrainResult:
    """Learn the taxonomy and a model from a catalogue's labelled items; a repeated call resumes.

    The model learns from the train side, val says which epoch is best and calibrates the confidences, test measures
    it, and control is kept for `tagger policy`. Ray runs inside this process unless the config names a cluster.

    Args:
        config: The catalogue, the recipe and settings that override it, and `out`, the bundle's folder.
        reporter: Where steps, warnings and progress go.

    Returns:
        The bundle in `config.out`; at once if a training with this config has finished.

    Raises:
        UsageError: for a wrong path, backbone, weights or setting, and when `out` holds another training.
        InputError: when there are too few labelled items, or a side of the split is empty.
        TaggerError: when the training diverged.

    Example::

        from tagger import TrainConfig, train

        result = train(TrainConfig(manifest="styles.csv", images="images/", recipe="fast", out="bundle"))
        print(f"{result.metrics.levels['articleType'].accuracy:.1%} of the test items' types are right")
    """
    started = time.monotonic()
    recipe = recipes.in_words(config)
    check_weights(config.backbone, config.weights)
    out = resolve_location(config.out, config)
    work = out / "_work"
    manifest, store = open_catalog(config, reporter)
    reviewed = reviewed_labels(config)
    if reviewed:
        manifest.relabel(reviewed)
    asked = Asked(config.title, config.evidence, config.attribute, NoValue(config.no_value))
    asked.check(manifest)
    check_attributes(asked)
    identity = identity_of(config, manifest.fingerprint())
    if (out / CARD).exists():
        return _finished_before(out, identity, reporter)
    with clean_up_if_refused(work, work / CHECKPOINTS):
        out.check_writable("--out")
        claim(work, identity, work / CHECKPOINTS)
        learnable = read_learnable(config, config.seed, config, manifest, store, work, reporter, bool(reviewed))
        with ray_session(config, processes=parse_range(config.workers)[1], with_data=True):
            trained = _learn(config, reporter, _Inputs(manifest, store, learnable, reviewed, out, work))
    training_s = max(time.monotonic() - started, sum(epoch["seconds"] for epoch in trained.provenance.epochs))
    provenance = trained.provenance.model_copy(update={"training_s": training_s})
    bundle = trained.measured.bundle.changed(metrics=(trained.measured.metrics,), provenance=provenance)
    _write_report(bundle, trained, learnable.rule, recipe, Pictures(store, config.max_pixels), out, work)
    write_parquet(out / SPLITS_FILE, trained.items.split_table())
    if trained.measured.familiarity:
        trained.measured.familiarity.save(out)
    evidence, attributes, left_out = _taught(asked, reporter, bundle.card, trained, manifest, out)
    bundle = bundle.changed(provenance=provenance.model_copy(update={"evidence_left_out": left_out}))
    taught_page.renew(out, bundle.card, reporter)
    bundle.save(out)
    work.delete()
    return TrainResult(out, bundle.card, evidence, attributes)


@dataclass(frozen=True)
class _Inputs:
    """Inputs of a training, and its folders."""

    manifest: Manifest
    store: ImageStore
    learnable: Learnable
    reviewed: ReviewedLabels | None
    out: Location
    work: Location


@dataclass(frozen=True)
class _Trained:
    """A measured model with its items and provenance."""

    measured: Measured
    items: LabelledItems
    provenance: Provenance


def _finished_before(out: Location, identity: dict[str, object], reporter: Reporter) -> TrainResult:
    """The folder's finished bundle, if any. Raises UsageError when another training made it."""
    card = Bundle.load(out, "--out").card
    before = {**card.provenance.config, "manifest": card.provenance.manifest}
    check_same(before, identity, f"{out} holds a bundle trained", "name a new folder")
    (out / "_work").delete()  # left over from a kill between saving and cleaning up
    reporter.step(f"{out} holds this bundle already; nothing to do")
    return TrainResult(out, card)


def _learn(config: TrainConfig, reporter: Reporter, inputs: _Inputs) -> _Trained:
    """Decode, train, calibrate and measure, on Ray."""
    store, work = inputs.store, inputs.work
    device = "cuda" if wants_gpu(config) else "cpu"
    least_workers, most_workers = parse_range(config.workers)
    check_workers(config, least_workers, device)
    items = _items(config, reporter, inputs)
    card = _card(config, inputs.manifest, items)
    initial = initial_weights(config, card, work)
    reporter.step("Decoding images")
    decoder = Decoder(store, card.preprocessing, config.max_pixels)
    rows = usable_sides(items, decoder, work, reporter, keep=(work / _BEGUN).exists())
    failed = failures(work)
    card = _with_thresholds(card, rows["train"], decoder, config.seed)
    leaves = rows["train"].columns("leaf")["leaf"].to_numpy()
    leaf_items = tuple(np.bincount(leaves, minlength=len(card.taxonomy.leaves)).tolist())
    plan = Plan(
        config, card, initial, leaf_items, use_gpu=device == "cuda", threads=threads_of_environment(),
        workers=most_workers,
    )  # fmt: skip
    (work / _BEGUN).write_text("")
    trained = _train(plan, Sides(rows["train"], rows["val"], decoder), inputs.out, work, reporter)
    reporter.step("Calibrating on val, measuring on test")
    bundle = pack(card, trained.weights)
    decode = DecodeShard(store, card.preprocessing, config.max_pixels, work / "failures")
    attributes_asked = bool(config.attribute)
    read = (
        rows if attributes_asked else rows | {"train": rows["train"].sample(MOST_IMAGES, config.seed, work / "sample")}
    )
    images = {name: image_dataset(side.shards, decode) for name, side in read.items()}
    if strangers := items.write_left_out(work, _LEFT_OUT_ITEMS, config.seed):
        of_others = DecodeShard(store, card.preprocessing, config.max_pixels, work / "failures-left-out")
        images[LEFT_OUT] = image_dataset(strangers, of_others)
    measured = calibrate_and_measure(
        bundle,
        images,
        device,
        failed,
        keep_leaves=bool(config.title or config.evidence or config.attribute),
        keep_features=attributes_asked,
    )
    if measured.several:
        reporter.step(str(measured.several))
    if measured.bundle.card.familiarity:
        reporter.step(in_words(measured.bundle.card.familiarity))
    learnt = {
        "epochs": trained.history,
        "best_epoch": trained.best_epoch,
        "failed_images": failed.num_rows,
        "rejects": inputs.learnable.staged.rejects,
    }
    return _Trained(measured, items, card.provenance.model_copy(update=learnt))


class _Taught(NamedTuple):
    """What a bundle knows beside images."""

    evidence: EvidenceResult | None = None
    attributes: AttributesResult | None = None
    left_out: Mapping[str, str] = {}
    """What could not be learnt of titles and columns, by flag, with the reason."""


def _taught(
    asked: Asked, reporter: Reporter, card: ModelCard, trained: _Trained, manifest: Manifest, out: Location
) -> _Taught:
    """Teach the bundle what titles and columns say, and attributes; warn of what cannot be, as the rest is done."""
    if not asked.read:
        return _Taught()
    measured, evidence = trained.measured, None
    try:
        sides = with_columns(trained.items.frame, manifest, asked)
    except (InputError, UsageError) as error:
        return _Taught(left_out=_images_alone(asked, error, reporter))
    left_out: Mapping[str, str] = {}
    if asked.names:
        reporter.step(f"Learning from {', '.join(asked.names)}")
        try:
            evidence = teach(out, card, asked, sides, measured.leaves, reporter)
            left_out = evidence.left_out
        except (InputError, UsageError) as error:
            left_out = _images_alone(asked, error, reporter)
    if not asked.attributes or measured.leaves is None or measured.features is None:
        return _Taught(evidence, None, left_out)
    model = evidence.model if evidence else None
    try:
        attributes = teach_attributes(out, card, asked, model, sides, measured.leaves, measured.features, reporter)
    except InputError as error:
        reporter.warn(f"The bundle knows no attributes: {error}")
        attributes = None
    return _Taught(evidence, attributes, left_out)


def _images_alone(asked: Asked, error: TaggerError, reporter: Reporter) -> dict[str, str]:
    """Warn that neither titles nor columns could be learnt; these, by flag, with the reason."""
    reporter.warn(f"The bundle knows images alone: {error}")
    named = (("--title", asked.title), ("--evidence", asked.columns))
    return {f"{flag} {','.join(names)}": str(error) for flag, names in named if names}


def _items(config: TrainConfig, reporter: Reporter, inputs: _Inputs) -> LabelledItems:
    """The split items: reviewed ones weighted, the others thinned if the config says so."""
    items = split_labelled(inputs.learnable, inputs.store, inputs.work, reporter)
    if inputs.reviewed:
        items = _with_weight(config, reporter, items, inputs.reviewed)
    if config.unbalance > 1:
        items = items.thinned(config.unbalance, config.seed)
        reporter.step(f"Thinned out: {items.split_items()['train']:,} items to train on")
    return items


def _with_weight(
    config: TrainConfig, reporter: Reporter, items: LabelledItems, reviewed: ReviewedLabels
) -> LabelledItems:
    effects = ", ".join(f"{n:,} {effect}" for effect, n in reviewed.counts.items())
    sides = items.frame.loc[items.frame["reviewed"], "split"].value_counts()
    learnt = int(sides.get("train", 0))
    reporter.step(
        f"{len(reviewed):,} review decisions ({effects}); {learnt:,} of the items train"
        + (f", each {config.decision_weight} times an epoch" if config.decision_weight > 1 else "")
        + (f"; {int(sides.get('control', 0)):,} of the control side do not" if "control" in sides else "")
    )
    return items.repeated(config.decision_weight)


def _card(config: TrainConfig, manifest: Manifest, items: LabelledItems) -> ModelCard:
    provenance = Provenance(
        created_at=datetime.now(UTC),
        config=config.model_dump(mode="json"),
        versions=versions(),
        manifest=manifest.fingerprint(),
        data_fingerprint=items.fingerprint(),
        split_items=items.split_items(),
        left_out=items.left_out,
    )
    return draft_card(config, items.taxonomy, provenance)


def _with_thresholds(card: ModelCard, train: UsableRows, decoder: Decoder, seed: int) -> ModelCard:
    """The card with the blur scores below which images are blurry, and get edges if only blurry ones get them."""
    scores = train.columns("blur", "blurred")
    threshold = learn_blur_threshold(scores["blur"].to_numpy(), scores["blurred"].to_numpy())
    card = card.model_copy(update={"blur_threshold": threshold})
    if card.preprocessing.edges != "blurry":
        return card
    sample = train.share(0, -(-len(scores) // _THRESHOLD_IMAGES), seed)
    images = RowImages(sample, decoder, usable_cores()).batches(np.arange(len(sample)), len(sample))
    return with_edge_threshold(card, edge_threshold(next(images)[1].numpy()))


def _train(plan: Plan, sides: Sides, out: Location, work: Location, reporter: Reporter) -> Trained:
    what = f"{plan.config.backbone} on {plan.train_items:,} images, {plan.epochs} epochs"
    reporter.step(f"Training {what}, batches of {plan.batch}")
    if plan.lr_scale > 1 and plan.config.schedule != "one_cycle":
        reporter.warn(f"--worker-batch raises learning rates, and schedule {plan.config.schedule} has no warm-up")
    log = TensorBoardLog(out / "report" / "tensorboard")
    with log, TrainingWatch(plan, log, reporter) as watch:
        trained = fit(plan, sides, work, watch.show)
        watch.finish(trained.history)
        return trained


def _write_report(
    bundle: Bundle,
    trained: _Trained,
    rule: SplitRule,
    recipe: str,
    pictures: Pictures,
    out: Location,
    work: Location,
) -> None:
    provenance = bundle.card.provenance
    facts: dict[str, object] = {
        "model": f"{bundle.card.model_id} ({bundle.card.architecture.backbone}, {provenance.config['image_size']})",
        "recipe": recipe,
        "trained": f"{provenance.created_at:%Y-%m-%d %H:%M} UTC, {provenance.training_s / 60:.1f} minutes",
        "split": f"{rule} (seed {rule.seed})",
        "items": ", ".join(f"{name} {count:,}" for name, count in provenance.split_items.items()),
        "leaves": len(bundle.card.taxonomy.leaves),
        "temperature": f"{bundle.card.calibration.temperature:.3f}",
        "blurry": f"below {bundle.card.blur_threshold:.0f} (variance of the Laplacian)",
        **({"unfamiliar": in_words(bundle.card.familiarity)} if bundle.card.familiarity else {}),
        "data": provenance.data_fingerprint,
    }
    learnt_items = sum(provenance.split_items.values())
    warning = not_learnt(provenance.left_out, bundle.card.taxonomy, learnt_items)
    training = Training(provenance.epochs, provenance.best_epoch, provenance.left_out, warning)
    about = BundleReport(bundle.card, trained.items.frame, training)
    write_bundle_report(out / "report", trained.measured, pictures, facts, work, about)
