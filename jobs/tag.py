"""Tag job: manifest, images and a bundle in; predictions with confidences, rejects and counts out."""

import hashlib
import json
import time

import pyarrow as pa
import pyarrow.compute as pc

from jobs.console import Console
from jobs.inputs import open_catalog, place, versions
from jobs.ray_session import ray_session, wants_gpu
from schemas.config import TagConfig, parse_share_or_count
from schemas.prediction import Decision
from schemas.run import RunRecord
from tagger.catalog.shards import Staged, stage
from tagger.catalog.stores import ImageStore
from tagger.inference.pipeline import TagPlan, tag_shards, workers_for
from tagger.inference.runs import RunDirectory
from tagger.models.bundle import Bundle
from tagger.models.engines import engine_name
from tagger.training.items import labelled

EXIT_DONE, EXIT_TOO_MANY_FAILED = 0, 4
# What decides the predictions: another value means another run. Machine and speed are free to change.
_DECIDES = (
    "images",
    "images_root",
    "column",
    "delimiter",
    "encoding",
    "max_bytes",
    "max_pixels",
    "untagged_only",
    "part_rows",
)


def run(config: TagConfig, console: Console) -> int:
    """Tag a catalogue into a run directory; the same command goes on where an earlier one stopped."""
    started = time.monotonic()
    directory = RunDirectory(place(config.out, config))
    bundle = Bundle.load(place(config.model, config))
    bundle.classifier()  # weights that do not fit are found here, before any row is read
    manifest, store = open_catalog(config)
    inputs = _inputs(config, manifest.fingerprint(), bundle)
    record = directory.begin(config.model_dump(mode="json"), inputs, bundle.card.model_id, versions())
    if directory.is_done():
        directory.work.delete()  # left by a kill between finishing and clearing away
        console.step(f"{directory.root} is done already; nothing to do")
        return _report(console, directory, record, config)

    console.step("Reading the manifest")
    keep = _untagged if config.untagged_only else None
    staged = stage(manifest, store, directory.work, directory.rejects, config.part_rows, keep)
    engine = _tag(config, console, directory, record, staged, bundle, store)
    done = {"seconds": time.monotonic() - started, "engine": engine or record.engine}
    record = directory.finish(record.model_copy(update=done), staged)
    return _report(console, directory, record, config)


def _inputs(config: TagConfig, manifest: str, bundle: Bundle) -> dict[str, str]:
    digest = hashlib.sha256(manifest.encode()).hexdigest()[:16]
    settings = {name: json.dumps(getattr(config, name), sort_keys=True) for name in _DECIDES}
    policy = json.dumps({str(level): value for level, value in config.accept_above.items()}, sort_keys=True)
    return {
        "manifest": f"{config.manifest} {digest}",
        "model": bundle.card.model_id,
        "accept_above": policy,
        **settings,
    }


def _untagged(items: pa.Table) -> pa.Array:
    return pc.invert(labelled(items))


def _tag(
    config: TagConfig,
    console: Console,
    directory: RunDirectory,
    record: RunRecord,
    staged: Staged,
    bundle: Bundle,
    store: ImageStore,
) -> str:
    """Tag the shards that have no part yet; return the engine's name, or nothing when there was nothing to do."""
    pending = directory.pending(staged)
    if not pending:
        return ""
    done = directory.rows_done()
    if done:
        console.step(f"Going on: {done:,} of {staged.items:,} items are tagged already")
    with ray_session(config, processes=config.workers):
        device = "cuda" if wants_gpu(config) else "cpu"
        workers = workers_for(device, config.workers, len(pending))
        plan = TagPlan(
            directory, record.run_id, store, config.accept_above, config.max_pixels, config.batch_size, device
        )
        console.step(f"Tagging {staged.items - done:,} items with {bundle.card.model_id} on {workers} × {device}")
        began = time.monotonic()
        with console.progress("items", staged.items) as bar:
            tag_shards(
                plan, bundle, pending, workers,
                lambda rows: bar.update(done + rows, f"{rows / (time.monotonic() - began):.0f} images/s"),
            )  # fmt: skip
    return engine_name(device)


def _report(console: Console, directory: RunDirectory, record: RunRecord, config: TagConfig) -> int:
    counts = record.counts
    failed = counts.decisions.get(Decision.FAILED, 0)
    console.table(
        f"Run {record.run_id}",
        ["what", "rows"],
        [
            ("read", counts.rows),
            *((f"  {decision}", counts.decisions.get(decision, 0)) for decision in Decision),
            *((f"    {code}", n) for code, n in sorted(counts.errors.items())),
            ("  rejected", counts.rejects),
            *((f"    {reason}", n) for reason, n in sorted(counts.reject_reasons.items())),
            ("  skipped", counts.skipped),
        ],
    )
    if counts.repaired:
        console.say(f"{counts.repaired} rows were repaired.")
    console.say(f"Predictions: {directory.predictions}")
    console.result(record.model_dump(mode="json", by_alias=True) | {"run": str(directory.root)})
    if _too_many(failed, counts.predictions, config.max_failed):
        console.warn(f"{failed} of {counts.predictions} items failed, more than --max-failed {config.max_failed}")
        return EXIT_TOO_MANY_FAILED
    return EXIT_DONE


def _too_many(failed: int, predictions: int, allowed: str) -> bool:
    share, count = parse_share_or_count(allowed)
    limit = count if count is not None else (share or 0) * predictions
    return failed > limit


if __name__ == "__main__":
    from jobs.cli import main

    main(job="tag")
