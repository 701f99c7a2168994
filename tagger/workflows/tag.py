"""Tags a catalogue: manifest, images and a bundle in; predictions with confidences, rejects and counts out."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from typing import NamedTuple

import numpy as np

from tagger.cluster.session import wants_gpu
from tagger.confidence.thresholds import QaSample, Thresholds
from tagger.engines.base import BATCH_SIZE
from tagger.images.failed import FailedImages
from tagger.images.listing import ListedStore, Listing
from tagger.images.near_misses import near_misses
from tagger.images.stores import ImageStore
from tagger.io.location import Location
from tagger.io.lock import holding
from tagger.manifest.batch import Batch
from tagger.manifest.manifest import Manifest
from tagger.manifest.no_value import NoValue
from tagger.manifest.selection import Before, Selection, already_labelled
from tagger.models.bundle import Bundle
from tagger.models.familiarity import Familiarity
from tagger.reporter import LOG, Reporter
from tagger.runs.compaction import join_parts
from tagger.runs.directory import RunDirectory
from tagger.runs.holds import hold, hold_of
from tagger.runs.identity import attributes_by, run_inputs
from tagger.runs.ledger import LedgerEntry, known_runs, newest_first
from tagger.runs.limits import nothing_to_tag, too_many
from tagger.runs.parts import failed_images, rows_done
from tagger.runs.staging import Staged
from tagger.schemas.configs.drift import DriftConfig, DriftOptions
from tagger.schemas.configs.options import S3Options
from tagger.schemas.configs.reporting import SECRET
from tagger.schemas.configs.tag import TagConfig
from tagger.schemas.documents.bundle import ModelCard
from tagger.schemas.documents.run import Counts, RunRecord
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.prediction import ErrorCode, Evidence
from tagger.schemas.values import parse_range
from tagger.tagging.attributes import AttributeRows
from tagger.tagging.crashes import Crashes
from tagger.tagging.engine_choice import EngineChoice
from tagger.tagging.known import Known
from tagger.tagging.on_ray import tag_shards
from tagger.tagging.rows import PredictionRows
from tagger.tagging.shard_tagger import TagPlan
from tagger.tagging.worker_pool import fit_workers
from tagger.workflows.drift import DriftResult, check_drift, drift_of
from tagger.workflows.evidence_used import EvidenceUsed, resolve_evidence, warn_without_policy
from tagger.workflows.open_catalog import model_path, open_catalog, resolve_location, versions
from tagger.workflows.promise import PromiseSoFar, promises_so_far
from tagger.workflows.run_page import PAGE, RunStatus, write_run_page
from tagger.workflows.staged_rows import TagSession, staged_rows
from tagger.workflows.tagging_watch import TaggingWatch, wait_for_engine


@dataclass(frozen=True)
class TagResult:
    """A finished run and its results."""

    directory: RunDirectory
    record: RunRecord
    """The content of `run.json`: engine, duration and counts."""
    failed: FailedImages
    """Images that could not be tagged: counts and examples by error code."""
    near_misses: tuple[str, ...]
    """Likely causes in words, if most images are missing."""
    too_many: tuple[str, ...]
    """Messages about counts above `max_failed` or `max_rejected`; empty if there are none."""
    page: Location
    """The page for the person who answers for the run."""
    drift: DriftResult | None = None
    """How the run compares with those of `against`, if there are some."""
    promises: tuple[PromiseSoFar, ...] = ()
    """With `against`, what answers over all nights say of what the model promises."""

    @property
    def counts(self) -> Counts:
        """Counts of rows; rows = predictions + rejects + skipped + further rows of items."""
        return self.record.counts

    @property
    def predictions(self) -> Location:
        """Folder of the predictions: Parquet, a row for each item, by `tagger.schemas.tables.prediction`."""
        return self.directory.predictions

    @property
    def is_held(self) -> bool:
        """Whether exports of the run are refused until a person has looked."""
        return bool(self.drift and self.drift.is_held)

    @property
    def nothing_to_tag(self) -> str | None:
        """Why no item was tagged, if that may be a mistake."""
        return nothing_to_tag(self.record.counts)


def tag(config: TagConfig, reporter: Reporter = LOG) -> TagResult:
    """Tag a catalogue into a run directory; a repeated call resumes.

    A finished run is returned as it is. Without `ray_address`, Ray runs inside this process; a Ray that
    runs here is used and left running.

    Args:
        config: The manifest, the images, the bundle (`model`), the run directory (`out`), and how to tag.
        reporter: Where progress and warnings go.

    Returns:
        The finished run. Items that cannot be tagged are in it, with `errorCode`; too many of them are not an error
        but a line of `too_many`.

    Raises:
        UsageError: when a setting cannot be met, such as a folder with another run.
        InputError: when the manifest, the image store or the bundle breaks its contract; then nothing was tagged.
        TaggerError: when workers are lost repeatedly; finished parts are kept.

    Example::

        from tagger import TagConfig, tag

        result = tag(TagConfig(manifest="styles.csv", images="images/", model="bundle", out="run-1"))
        print(result.counts.decisions)  # {'accept': 871, 'review': 27}
        table = result.directory.read(["id", "articleType", "articleTypeConfidence"])
    """
    reporter.step(f"Opening {config.model} and {config.manifest}")
    started = time.monotonic()
    directory = RunDirectory(resolve_location(config.out, config))
    asked, config = config.model, _with_model(config, directory.record())
    folder = resolve_location(config.model, config)
    bundle = Bundle.load(folder)
    familiarity = Familiarity.load_if_any(folder, bundle.card)
    manifest, store = open_catalog(config, reporter)
    config, used = resolve_evidence(config, bundle, manifest, reporter)
    warn_without_policy(config, bundle.card, used, reporter)
    listing = Listing(store, manifest.most_rows()) if config.known and isinstance(store, ListedStore) else None
    known = _known(config, reporter, bundle.card, used, listing) if config.known else None
    selection = _selection(config, manifest, known)
    thresholds = _as_input(_thresholds(config, bundle.card, used), bundle.card, used)
    inputs = run_inputs(
        config, manifest.fingerprint(), bundle.card.model_id, thresholds, used.digest, _attributes_by(config, used)
    )
    settings = config.model_dump(mode="json", exclude=set(SECRET))
    if directory.is_done():
        record = directory.begin(settings, inputs, bundle.card.model_id, versions())
        directory.work.delete()  # left over from a kill between finishing and cleaning up
        reporter.step(f"{directory.root} is done already; nothing to do")
        return _result(config, reporter, directory, record, store)
    with holding(directory.root) as check_held, directory.removed_if_refused():
        after = known.newest if known else ()
        record = directory.begin(settings, inputs, bundle.card.model_id, versions(), after=after)
        promised = _promised(config, bundle.card, used)
        values = used.attributes.values if used.attributes else {}
        named = asked if asked != config.model else None
        blurry = bundle.card.blur_threshold
        about = {"target_precision": promised, "attributes": values, "model_name": named, "blur_threshold": blurry}
        record = record.model_copy(update=about)
        directory.write(record)  # now, so that a run that goes on after a kill keeps the model that its name stood for
        with EngineChoice(config, bundle, store, record.engine) as engines, ExitStack() as sessions:
            session = TagSession(config, reporter, sessions)
            staged = staged_rows(config, reporter, directory, manifest, store, selection, used.names, session)
            if listing and listing.problem:
                reporter.warn(f"--known: {listing.problem}; each image is asked about instead")
            pending = directory.pending(staged)
            if pending:
                if known and not Crashes.are_stored(directory.work):
                    Crashes(known.crashed()).write(directory.work)
                engines.begin(directory.work, pending, staged.items)
                plan = _plan(config, directory, record, bundle.card, store, used, familiarity)
                record = _tag(config, reporter, plan, record, staged, engines, session, check_held)
            if join_parts(directory, session.tasks()):
                reporter.step("Joined the parts into larger files")
        record = directory.finish(record.model_copy(update={"seconds": time.monotonic() - started}), staged)
    return _result(config, reporter, directory, record, store)


def _with_model(config: TagConfig, begun: RunRecord | None) -> TagConfig:
    """The config with the path of its model: of a run that has begun, what a name stood for when it did."""
    then = begun.config.get("model") if begun and begun.model_name == config.model else None
    return config.model_copy(update={"model": str(then or model_path(config.model, config))})


def _result(
    config: TagConfig, reporter: Reporter, directory: RunDirectory, record: RunRecord, store: ImageStore
) -> TagResult:
    failed = failed_images(directory.predictions, record.counts.errors)
    code = str(ErrorCode.NOT_FOUND)
    absent = [example.image for example in failed.examples[code] if example.image]
    hints = near_misses(store, absent) if 2 * failed.counts[code] > record.counts.predictions else []
    problems = too_many(record.counts, config.max_failed, config.max_rejected)
    before = _runs_before(config, record)
    drift = _drift(config, directory, reporter, bool(before)) if config.against else None
    promises = _promises(directory, record, before) if config.against else ()
    held = hold_of(directory)
    drift = replace(drift, hold=held) if drift else None
    status = RunStatus(problems, drift, promises, held.reason if held and not held.release else "", before)
    page = write_run_page(config, directory, record, store, failed, status)
    return TagResult(directory, record, failed, tuple(hints), tuple(problems), page, drift, promises)


def _runs_before(config: TagConfig, record: RunRecord) -> list[LedgerEntry]:
    """The earlier runs that the config names, the newest first; none on the first night."""
    names = dict.fromkeys([*config.against, *config.known])
    entries = newest_first([e for n in names for e in known_runs(resolve_location(n, config), f"--against {n}")])
    return [e for e in entries if e.record.run_id != record.run_id and e.record.started_at < record.started_at]


def _promises(directory: RunDirectory, record: RunRecord, before: list[LedgerEntry]) -> tuple[PromiseSoFar, ...]:
    """What is known of the model's promises; a broken one holds the run."""
    entries = [LedgerEntry(directory, record, done=True), *before]
    promises = promises_so_far(entries, record.model_id, record.target_precision)
    for promise in promises:
        if promise.is_broken:
            hold(directory, promise.words.rstrip("."), PAGE)
    return tuple(promises)


def _drift(config: TagConfig, directory: RunDirectory, reporter: Reporter, has_before: bool) -> DriftResult:
    """Compare the run with those before, once; the first night has none."""
    if result := drift_of(directory):
        return DriftResult(directory.root, result, hold=hold_of(directory))
    shared = {name: getattr(config, name) for name in (*DriftOptions.model_fields, *S3Options.model_fields)}
    existing = [name for name in config.against if has_before and resolve_location(name, config).exists()]
    settings = shared | {"run": directory.root.uri, "against": existing or [directory.root.uri]}
    settings["pictures"] = config.pictures is not False
    return check_drift(DriftConfig.model_validate(settings), reporter)


def _selection(config: TagConfig, manifest: Manifest, known: Known | None) -> Selection:
    rules: list[tuple[str, Callable[[Batch], np.ndarray]]] = []
    if known:
        rules.append(("decided", lambda batch: np.array(known.decided(batch.items["id"].to_pylist()), bool)))
    if config.untagged_only:
        rules.append(("labelled", already_labelled(manifest)))
    no_value = NoValue(config.no_value)
    since = config.since.items()
    rules += [("before_since", Before(column, value, manifest.columns, no_value)) for column, value in since]
    return Selection(rules, known)


def _known(
    config: TagConfig, reporter: Reporter, card: ModelCard, used: EvidenceUsed, listing: Listing | None
) -> Known:
    """Known predictions of earlier runs; warns of folders without a finished run."""
    runs = []
    for name in config.known:
        entries = known_runs(resolve_location(name, config), f"--known {name}")
        if not any(entry.done for entry in entries):
            reporter.warn(f"--known {name}: there is no finished run yet; nothing is known")
        runs += entries
    thresholds = _thresholds(config, card, used)
    attributes = AttributeRows(used.attributes, card.attribute_policies) if used.attributes else None
    if attributes:
        reporter.step("--known: items that a person has decided about keep the further tags that they have")
    rows = PredictionRows(
        _compared(config, card), thresholds.by_image, "", QaSample(config.qa_sample, config.seed),
        evidence=used.model, join=used.join, others=thresholds.others, attributes=attributes,
    )  # fmt: skip
    return Known(
        newest_first(runs), card, rows, used.model, used.join, config.embeddings, versions(),
        _attributes_by(config, used), listing,
    )  # fmt: skip


def _attributes_by(config: TagConfig, used: EvidenceUsed) -> str | None:
    return attributes_by(config, used.attributes.digest, used.digest) if used.attributes else None


def _promised(config: TagConfig, card: ModelCard, used: EvidenceUsed) -> dict[str, float]:
    """The target precision of the bundle's policies, for levels that use their thresholds."""
    needed = [card.policy, *(card.policies.get(kind) for kind in used.kinds)]
    policies = [policy for policy in needed if policy]
    if len(policies) < len(needed):
        return {}
    levels = [level for level in Level if level not in config.accept_above]
    return {str(level): min(policy.levels[level].target_precision for policy in policies) for level in levels}


def _compared(config: TagConfig, card: ModelCard) -> ModelCard:
    """The card for comparing known labels, with their spellings merged if the config says so."""
    if not config.merge_spellings or card.taxonomy.spellings is not None:
        return card
    return card.model_copy(update={"taxonomy": card.taxonomy.model_copy(update={"spellings": {}})})


class _Thresholds(NamedTuple):
    """The thresholds of predictions by image alone, and of the other ones that the run may make."""

    by_image: Thresholds
    others: dict[Evidence, Thresholds]


def _thresholds(config: TagConfig, card: ModelCard, used: EvidenceUsed) -> _Thresholds:
    by_image = Thresholds.of_bundle(card, Evidence.IMAGE, config.accept_above)
    others = {kind: Thresholds.of_bundle(card, kind, config.accept_above) for kind in used.kinds}
    return _Thresholds(by_image, others)


def _as_input(thresholds: _Thresholds, card: ModelCard, used: EvidenceUsed) -> dict[str, object]:
    """The thresholds as an input of the run's fingerprint."""
    others = {str(evidence): asdict(other) for evidence, other in thresholds.others.items()}
    of_attributes = card.attribute_policies if used.attributes else {}
    policies = {
        name: {str(kind): [level.accept_above, level.classes] for kind, level in policy.by_evidence.items()}
        for name, policy in of_attributes.items()
    }
    named = {"others": others, "attributes": policies}
    return asdict(thresholds.by_image) | {name: values for name, values in named.items() if values}


def _plan(
    config: TagConfig,
    directory: RunDirectory,
    record: RunRecord,
    card: ModelCard,
    store: ImageStore,
    used: EvidenceUsed,
    familiarity: Familiarity | None,
) -> TagPlan:
    thresholds = _thresholds(config, card, used)
    return TagPlan(
        directory, record.run_id, store, _compared(config, card), thresholds.by_image, config.max_pixels,
        config.batch_size, QaSample(config.qa_sample, config.seed), config.embeddings, used.model, used.join,
        thresholds.others, used.attributes, familiarity,
    )  # fmt: skip


def _tag(
    config: TagConfig,
    reporter: Reporter,
    plan: TagPlan,
    record: RunRecord,
    staged: Staged,
    engines: EngineChoice,
    session: TagSession,
    check_held: Callable[[], None],
) -> RunRecord:
    """Tag the shards without a part; return the record with the engine."""
    pending = plan.run.pending(staged)
    done = rows_done(plan.run.predictions)
    if done:
        reporter.step(f"Going on: {done:,} of {staged.items:,} items are done already")
    reporter.step("Starting workers, and choosing an engine")
    session.begin()
    worker_limits = parse_range(config.workers)
    device = "cuda" if wants_gpu(config) else "cpu"
    engines.finish(device)
    if device == "cuda" or config.ray_address:
        # it runs on the cluster, and needs the GPU or CPU that the workers would take
        wait_for_engine(reporter, engines)
    workers = fit_workers(device == "cuda", worker_limits, len(pending), may_grow=bool(config.ray_address))
    plan = replace(plan, batch_size=config.batch_size or BATCH_SIZE[device])
    with TaggingWatch(reporter, plan.run, record, staged.items, done, engines, workers, check_held) as watch:
        tag_shards(plan, watch.prepared, pending, workers, watch)
    return watch.record.model_copy(update={"tagging_seconds": time.monotonic() - watch.began})
