"""Tag job: manifest, images and a bundle in; predictions with confidences, rejects and counts out."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import asdict

import numpy as np

from tagger.cluster.session import ray_is_running, ray_session, wants_gpu
from tagger.confidence.thresholds import QaSample, Thresholds
from tagger.engines.base import BATCH_SIZE, PreparedEngine
from tagger.engines.process import Chosen, EngineProcess, Question
from tagger.engines.sample import RunSample
from tagger.errors import UsageError
from tagger.images.stores import ImageStore
from tagger.io.location import Location
from tagger.io.lock import holding
from tagger.jobs.shell.console import Console
from tagger.jobs.steps.tag_report import report
from tagger.manifest.manifest import Batch, Manifest
from tagger.manifest.no_value import NoValue
from tagger.manifest.selection import Before, Selection, already_labelled
from tagger.models.bundle import Bundle
from tagger.models.titles import TitleModel
from tagger.runs.directory import RunDirectory
from tagger.runs.ledger import FUSE, TITLES, known_runs, newest_first
from tagger.runs.staging import Staged, shard_of, stage
from tagger.schemas.configs.tag import TagConfig
from tagger.schemas.documents.bundle import ModelCard
from tagger.schemas.documents.run import RunRecord
from tagger.schemas.values import parse_range
from tagger.tagging.crashes import Crashes
from tagger.tagging.known import Known
from tagger.tagging.on_ray import choose_engine_there, tag_shards
from tagger.tagging.rows import PredictionRows
from tagger.tagging.shard_tagger import TagPlan
from tagger.tagging.worker_pool import fit_workers
from tagger.workflows.open_catalog import open_catalog, place, versions

# What decides the predictions: another value means another run. Machine and speed are free to change.
_DECIDES = (
    "images",
    "images_root",
    "column",
    "delimiter",
    "encoding",
    "no_value",
    "merge_spellings",
    "max_bytes",
    "max_pixels",
    "untagged_only",
    "since",
    "known",
    "engine",
    "part_rows",
)
_DECIDES_IF_GIVEN = ("allow_http", "allow_private_hosts", "follow_links")


def run(config: TagConfig, console: Console) -> int:
    """Tag a catalogue into a run directory; the same command goes on where an earlier one stopped."""
    started = time.monotonic()
    directory = RunDirectory(place(config.out, config))
    bundle = Bundle.load(place(config.model, config))
    manifest, store = open_catalog(config, console)
    titles = _titles(config, bundle, manifest)
    known = _known(config, console, bundle.card, titles) if config.known else None
    selection = _selection(config, manifest, known)
    inputs = _inputs(config, manifest.fingerprint(), bundle, titles)
    asked = config.model_dump(mode="json")
    if directory.is_done():
        record = directory.begin(asked, inputs, bundle.card.model_id, versions())
        directory.work.delete()  # left by a kill between finishing and clearing away
        console.step(f"{directory.root} is done already; nothing to do")
        return report(console, directory, record, config, store)
    with holding(directory.root) as check_held, directory.taken_back_if_refused():
        record = directory.begin(asked, inputs, bundle.card.model_id, versions())
        record = record.model_copy(update={"target_precision": _promised(config, bundle.card)})
        with _Engines(config, bundle, store, record) as engines:
            console.step("Reading the manifest")
            columns = [titles.column] if titles else []
            staged = stage(manifest, store, directory.work, directory.rejects, config.part_rows, selection, columns)
            for remark in selection.remarks():
                console.step(remark)
            pending = directory.pending(staged)
            if pending:
                if known and not Crashes.are_kept(directory.work):
                    Crashes(known.crashed()).write(directory.work)
                engines.begin(directory.work, pending)
                record = _tag(config, console, directory, record, staged, engines, titles, check_held)
        record = directory.finish(record.model_copy(update={"seconds": time.monotonic() - started}), staged)
    return report(console, directory, record, config, store)


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


def _known(config: TagConfig, console: Console, card: ModelCard, titles: TitleModel | None) -> Known:
    """What earlier runs know, decided as this run decides; a folder without a finished run is said aloud."""
    runs = []
    for name in config.known:
        found = known_runs(place(name, config), f"--known {name}")
        if not any(entry.done for entry in found):
            console.warn(f"--known {name}: there is no finished run yet; nothing is known")
        runs += found
    rows = PredictionRows(
        _compared(config, card), _thresholds(config, card), "", QaSample(config.qa_sample, config.seed), titles=titles,
        fuse=config.titles == FUSE,
    )  # fmt: skip
    return Known(newest_first(runs), card, rows, titles, config.titles == FUSE, config.embeddings, versions())


def _promised(config: TagConfig, card: ModelCard) -> dict[str, float]:
    """The precision that the bundle's policy promises, of the levels whose threshold is the policy's."""
    levels = card.policy.levels if card.policy and config.titles != "fuse" else {}
    return {str(level): p.target_precision for level, p in levels.items() if level not in config.accept_above}


def _titles(config: TagConfig, bundle: Bundle, manifest: Manifest) -> TitleModel | None:
    """The bundle's model of titles, where it is to be asked. Raises UsageError when it cannot be."""
    if config.titles == "ignore":
        return None
    found = TitleModel.load(place(config.model, config), bundle.card.model_id)
    if found.column not in manifest.columns:
        raise UsageError(f"--titles: the manifest has no column {found.column}; it has {manifest.columns}")
    if config.titles == "fuse" and found.temperature_of_both is None:
        raise UsageError(
            "--titles fuse: how sure both are together is not known; tagger titles BUNDLE --run RUN fits it"
        )
    return found


def _of_titles(config: TagConfig, titles: TitleModel | None) -> str | None:
    return f"{config.titles} {titles.digest}" if titles else None


def _compared(config: TagConfig, card: ModelCard) -> ModelCard:
    """The card with which known labels are compared: in any spelling, where that is asked for."""
    if not config.merge_spellings or card.taxonomy.spellings is not None:
        return card
    return card.model_copy(update={"taxonomy": card.taxonomy.model_copy(update={"spellings": {}})})


def _thresholds(config: TagConfig, card: ModelCard) -> Thresholds:
    """What is accepted; the bundle's policy is one for what images alone say."""
    return Thresholds.of_policy(None if config.titles == "fuse" else card.policy, config.accept_above)


def _inputs(config: TagConfig, manifest: str, bundle: Bundle, titles: TitleModel | None) -> dict[str, str]:
    digest = hashlib.sha256(manifest.encode()).hexdigest()[:16]
    names = [*_DECIDES, *(name for name in _DECIDES_IF_GIVEN if getattr(config, name))]
    settings = {name: json.dumps(getattr(config, name), sort_keys=True) for name in names}
    policy = json.dumps(asdict(_thresholds(config, bundle.card)), sort_keys=True)
    if config.qa_sample:
        settings["qa_sample"] = f"{config.qa_sample} {config.seed}"
    if config.embeddings:
        settings["embeddings"] = "true"
    if config.no_value:
        settings["no_value"] = json.dumps(sorted(config.no_value))
    if config.merge_spellings:
        settings["merge_spellings"] = "true"
    if titles:
        settings[TITLES] = str(_of_titles(config, titles))
    return {
        "manifest": f"{config.manifest} {digest}",
        "model": bundle.card.model_id,
        "accept_above": policy,
        **settings,
    }


class _Engines:
    """Chooses what runs the model: where Ray is still to start, in a process beside it."""

    def __init__(self, config: TagConfig, bundle: Bundle, store: ImageStore, record: RunRecord) -> None:
        self._config = config
        self._record = record
        self._bundle = bundle
        self.store = store
        here = not config.ray_address and config.device != "cuda"
        self._process = EngineProcess() if here and not ray_is_running() else None
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="engine")
        self._question: Question
        self._early: Future[Chosen | None] | None = None

    def __enter__(self) -> "_Engines":
        return self

    def __exit__(self, *error: object) -> None:
        if self._process:
            self._process.close()
        self._pool.shutdown(wait=False)

    @property
    def card(self) -> ModelCard:
        """What the model says of itself."""
        return self._bundle.card

    def begin(self, work: Location, pending: Sequence[int]) -> None:
        """Begin to choose, by measuring on these shards of a run."""
        shards = [shard_of(work, number) for number in pending]
        crashed = Crashes.read(work).digests
        sample = RunSample(shards, self.store, self.card, self._config.max_pixels, crashed=crashed)
        self._question = Question(
            self._bundle, self._config.engine, self._config.batch_size, sample, self._record.engine
        )
        if self._process:
            self._early = self._pool.submit(self._process.ask, self._question, self._config.device)

    def choose(self, device: str) -> "Future[Chosen]":
        """The engine for a device, as the run that goes on had it, or measured on the run's own images."""
        return self._pool.submit(self._choose, device)

    def _choose(self, device: str) -> Chosen:
        found = self._early.result() if self._early else None
        if found and device == "cpu":
            return found
        if self._config.ray_address or device == "cuda":
            return choose_engine_there(self._question, device)
        return self._question.answer(device)


def _tag(
    config: TagConfig,
    console: Console,
    directory: RunDirectory,
    record: RunRecord,
    staged: Staged,
    engines: _Engines,
    titles: TitleModel | None,
    check_held: Callable[[], None],
) -> RunRecord:
    """Tag the shards that have no part yet; return the record with the engine that did."""
    pending = directory.pending(staged)
    done = directory.rows_done()
    if done:
        console.step(f"Going on: {done:,} of {staged.items:,} items are done already")
    wanted = parse_range(config.workers)
    with ray_session(config, processes=wanted[1]):
        device = "cuda" if wants_gpu(config) else "cpu"
        choosing = engines.choose(device)
        if device == "cuda" or config.ray_address:
            wait([choosing])  # it runs on the cluster, and needs the GPU or the CPU that the workers would take
        prepared: Future[PreparedEngine] = Future()
        workers = fit_workers(device == "cuda", wanted, len(pending), may_grow=bool(config.ray_address))
        thresholds = _thresholds(config, engines.card)
        plan = TagPlan(
            directory, record.run_id, engines.store, _compared(config, engines.card), thresholds, config.max_pixels,
            config.batch_size or BATCH_SIZE[device], QaSample(config.qa_sample, config.seed), config.embeddings, titles,
            config.titles == "fuse",
        )  # fmt: skip
        began = time.monotonic()

        def watch(rows: int) -> None:
            nonlocal record, began
            check_held()
            if not prepared.done() and choosing.done():
                engine, chosen = choosing.result()
                for name, reason in chosen.passed_over.items():
                    console.step(f"Not with {name}: it {reason}")
                console.step(
                    f"Tagging {staged.items - done:,} items with {record.model_id}, {chosen.engine}, {workers}"
                )
                record = record.model_copy(update={"engine": chosen})
                directory.write(record)
                began = time.monotonic()
                prepared.set_result(engine)
            bar.update(done + rows, f"{rows / (time.monotonic() - began):.0f} images/s")

        with console.progress("items", staged.items) as bar:
            tag_shards(plan, prepared, pending, workers, watch)
        return record.model_copy(update={"tagging_seconds": time.monotonic() - began})


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="tag")
