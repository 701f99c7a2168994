"""Train job: manifest and images in, a bundle out."""

import dataclasses
import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import ray.data
import torch

from jobs.console import Console
from jobs.inputs import open_catalog, place, versions
from jobs.ray_session import check_workers, ray_session, wants_gpu
from schemas.bundle import Architecture, Calibration, Inference, ModelCard, Preprocessing, Provenance
from schemas.catalog import REJECT
from schemas.config import TrainConfig
from schemas.taxonomy import Level
from schemas.values import parse_size
from tagger.catalog.manifest import Manifest
from tagger.catalog.selection import Selection, tagged
from tagger.catalog.shards import Staged, read_shard, shard_of, stage, write_parquet
from tagger.catalog.stores import ImageStore
from tagger.confidence.calibration import fit_temperature
from tagger.errors import InputError, UsageError
from tagger.evaluation.metrics import Evaluation, Predicted
from tagger.evaluation.report import Training, write_report
from tagger.imaging.quality import blur_threshold
from tagger.inference.pipeline import leaf_logits
from tagger.models.bundle import CARD, Bundle
from tagger.models.classifier import new_classifier, pack
from tagger.models.levels import Levels, softmax
from tagger.models.torch_engine import PreparedTorch
from tagger.storage import Location
from tagger.training.items import FAILURE, NO_LABELS, DecodeShard, LabelledItems
from tagger.training.loop import CHECKPOINTS, Progress, Trained, fit, image_dataset
from tagger.training.plan import Plan

_STAGE_ROWS = 8192
_LABELLED = Selection([("unlabelled", lambda batch: ~tagged(batch))])
_EVAL_BATCH = 32
_NOT_IN_IDENTITY = {"recipe", "ray_address", "device", "workers", "store_concurrency", "out"}


def run(config: TrainConfig, console: Console) -> int:
    """Train a bundle; the same command goes on where an earlier one stopped."""
    started = time.monotonic()
    out = place(config.out, config)
    manifest, store = open_catalog(config)
    if _already_there(config, manifest, out, console):
        return 0
    out.check_writable("--out")
    work = out / "_work"
    _claim(config, manifest, work)

    console.step("Reading the manifest")
    staged = stage(manifest, store, work / "items", work / "rejects", _STAGE_ROWS, _LABELLED)
    shares = {"val": config.val, "test": config.test, "control": config.control}
    items = LabelledItems.select(_rows(work, staged), config.merge, config.min_items, shares, config.seed)
    _say_items(console, staged, items)

    card = _draft_card(config, manifest, items)
    initial = _initial_weights(config, card, work)
    with ray_session(config, processes=config.workers, with_data=True):
        device = "cuda" if wants_gpu(config) else "cpu"
        check_workers(config, config.workers, device)
        console.step("Decoding images")
        images = _decode(config, card, store, items, work)
        failures = _failures(work)
        if failures.num_rows:
            console.warn(f"{failures.num_rows} labelled items are left out because their image cannot be used")
        leaf_items = _noted_items(images["train"], len(card.taxonomy.leaves), work)
        plan = Plan(config, card, initial, leaf_items, use_gpu=device == "cuda")
        trained = _train(plan, images, work, console)
        console.step("Calibrating on val, measuring on test")
        bundle, test = _calibrate_and_measure(trained, card, images, device)
        test = dataclasses.replace(test, failed=failures["split"].to_pylist().count("test"))

    seconds = time.monotonic() - started
    provenance = bundle.card.provenance.model_copy(
        update={"failed_images": failures.num_rows, "rejects": staged.rejects, "training_s": seconds}
    )
    bundle = Bundle(
        bundle.card.model_copy(update={"metrics": (test.metrics(),), "provenance": provenance}), bundle.weights
    )
    _keep(out / "report", work, failures)
    _save(bundle, items, test, out)
    work.delete()
    _say_result(console, bundle, out)
    return 0


def _already_there(config: TrainConfig, manifest: Manifest, out: Location, console: Console) -> bool:
    if not (out / CARD).exists():
        return False
    bundle = Bundle.load(out, "--out")
    provenance = bundle.card.provenance
    trained = {**provenance.config, "manifest": provenance.manifest}
    differing = _differences(trained, _asked(config, manifest))
    if differing:
        raise UsageError(f"--out: {out} holds a bundle trained with another {', '.join(differing)}; name a new folder")
    (out / "_work").delete()  # left by a kill between saving and clearing away
    console.step(f"{out} holds this bundle already; nothing to do")
    _say_result(console, bundle, out)
    return True


def _claim(config: TrainConfig, manifest: Manifest, work: Location) -> None:
    """Note what is being trained, so that another config does not go on with its checkpoints."""
    note = work / "config.json"
    asked = _asked(config, manifest)
    if note.exists():
        differing = _differences(json.loads(note.read_bytes()), asked)
        if differing and not (work / CHECKPOINTS).exists():
            work.delete()  # nothing was learnt yet
        elif differing:
            raise UsageError(
                f"--out: {work.parent} holds an unfinished training with another {', '.join(differing)}; "
                f"name a new folder, or delete {work}"
            )
    note.write_text(json.dumps(asked))


def _asked(config: TrainConfig, manifest: Manifest) -> dict[str, object]:
    return {**config.model_dump(mode="json"), "manifest": manifest.fingerprint()}


def _differences(before: dict[str, object], now: dict[str, object]) -> list[str]:
    names = {*before, *now} - _NOT_IN_IDENTITY
    return sorted(n for n in names if before.get(n) != now.get(n))


def _rows(work: Location, staged: Staged) -> pa.Table:
    if not staged.items:
        raise InputError(NO_LABELS)
    return pa.concat_tables([read_shard(shard_of(work / "items", n)) for n in range(staged.shards)])


def _draft_card(config: TrainConfig, manifest: Manifest, items: LabelledItems) -> ModelCard:
    height, width = parse_size(config.image_size)
    draft = ModelCard(
        model_id="",
        taxonomy=items.taxonomy,
        architecture=Architecture(
            backbone=config.backbone,
            dropout=config.dropout,
            embedding_dim=1,
            head=config.head,
            hidden=() if config.head == "linear" else tuple(config.hidden),
        ),
        preprocessing=Preprocessing(height=height, width=width, fit=config.fit, resize=config.resize),
        inference=Inference(flip=config.flip),
        calibration=Calibration(),
        blur_threshold=0.0,
        provenance=Provenance(
            created_at=datetime.now(UTC),
            config=config.model_dump(mode="json"),
            versions=versions(),
            manifest=manifest.fingerprint(),
            data_fingerprint=items.fingerprint(),
            split_items=items.split_items(),
            left_out=items.left_out,
        ),
    )
    dim = new_classifier(draft, weights="none").embedding_dim
    return draft.model_copy(update={"architecture": draft.architecture.model_copy(update={"embedding_dim": dim})})


def _decode(
    config: TrainConfig, card: ModelCard, store: ImageStore, items: LabelledItems, work: Location
) -> dict[str, ray.data.Dataset]:
    (work / "failures").delete()  # of an earlier call; images may be there now
    decode = DecodeShard(store, card.preprocessing, config.max_pixels, work / "failures")
    shards = items.write_shards(work)
    found = {name: image_dataset(s, decode, config.seed if name == "train" else None) for name, s in shards.items()}
    empty = [name for name, images in found.items() if not images.count()]
    if empty:
        raise InputError(f"--images: not one image of the {', '.join(empty)} items can be used; tagger check says why")
    return found


def _failures(work: Location) -> pa.Table:
    """The labelled items whose image cannot be used: id, split, errorCode, errorMessage."""
    return pa.concat_tables([FAILURE.empty_table(), *(read_shard(f) for f in (work / "failures").files())])


def _keep(report: Location, work: Location, failures: pa.Table) -> None:
    """Put what was left out beside the report: `rejects.parquet` and `failed-images.parquet`."""
    rejects = [read_shard(f) for f in (work / "rejects").files()]
    write_parquet(report / "rejects.parquet", pa.concat_tables([REJECT.empty_table(), *rejects]))
    write_parquet(report / "failed-images.parquet", failures)


def _initial_weights(config: TrainConfig, card: ModelCard, work: Location) -> Location:
    """Where all workers find the weights to begin with."""
    initial = work / "initial.safetensors"
    if not initial.exists():
        torch.manual_seed(config.seed)
        initial.write_bytes(pack(card, new_classifier(card, config.weights).state_dict()).weights)
    return initial


def _noted_items(train: ray.data.Dataset, leaves: int, work: Location) -> tuple[int, ...]:
    """Images of each leaf to train on: a resumed schedule keeps what it began with, whatever can be decoded now."""
    noted = work / "items.json"
    if not noted.exists():
        batches = train.select_columns("leaf").iter_batches(batch_format="numpy", batch_size=None)
        counts = sum((np.bincount(b["leaf"], minlength=leaves) for b in batches), np.zeros(leaves, np.int64))
        noted.write_text(json.dumps(counts.tolist()))
    return tuple(json.loads(noted.read_bytes()))


def _train(plan: Plan, images: dict[str, ray.data.Dataset], work: Location, console: Console) -> Trained:
    console.step(f"Training {plan.config.backbone} on {plan.train_items:,} images, {plan.epochs} epochs")
    said = -1
    with console.progress("steps", plan.epochs * plan.steps) as bar:

        def watch(progress: Progress) -> None:
            nonlocal said
            if said < 0:
                said = 0
                if progress.resumed:
                    console.step(f"Going on after epoch {progress.resumed} of {plan.epochs}")
            for epoch in progress.history[said:]:
                console.step(_epoch_line(epoch, plan.epochs))
            said = max(said, len(progress.history))
            done = progress.epoch * progress.steps + progress.step
            bar.update(done, f"loss {progress.loss:.3f}, {progress.images_per_s:.0f} images/s" if progress.step else "")

        return fit(plan, images["train"], images["val"], work, watch)


def _calibrate_and_measure(
    trained: Trained, card: ModelCard, images: dict[str, ray.data.Dataset], device: str
) -> tuple[Bundle, Evaluation]:
    bundle = pack(card, trained.weights)
    held_out = images["val"].union(images["test"]).materialize()
    reference = PreparedTorch(bundle, device, "float32", _EVAL_BATCH)
    logits, leaves, splits = leaf_logits(held_out, reference, device == "cuda")
    val, test = splits == "val", splits == "test"
    temperature = fit_temperature(logits[val], leaves[val])
    calibration = Calibration(method="temperature", temperature=temperature, fitted_on=int(val.sum()))
    blur = np.concatenate(
        [b["blur"] for b in images["train"].select_columns("blur").iter_batches(batch_format="numpy")]
    )
    provenance = card.provenance.model_copy(update={"epochs": trained.history, "best_epoch": trained.best_epoch})
    update = {"calibration": calibration, "blur_threshold": blur_threshold(blur), "provenance": provenance}
    bundle = pack(card.model_copy(update=update), trained.weights)
    return bundle, _evaluation(card, softmax(logits[test], temperature), leaves[test])


def _evaluation(card: ModelCard, probabilities: np.ndarray, leaves: np.ndarray) -> Evaluation:
    levels = Levels(card.taxonomy)
    master, master_confidence, article, type_confidence = levels.choose(probabilities)
    true_master, true_article = levels.of_leaves(leaves)
    masters, types = np.array(levels.masters, object), np.array(levels.types, object)
    return Evaluation(
        "test",
        {
            Level.MASTER_CATEGORY: Predicted(masters[true_master], masters[master], master_confidence),
            Level.ARTICLE_TYPE: Predicted(types[true_article], types[article], type_confidence),
        },
    )


def _save(bundle: Bundle, items: LabelledItems, test: Evaluation, out: Location) -> None:
    provenance = bundle.card.provenance
    facts: dict[str, object] = {
        "model": f"{bundle.card.model_id} ({bundle.card.architecture.backbone}, {provenance.config['image_size']})",
        "trained": f"{provenance.created_at:%Y-%m-%d %H:%M} UTC, {provenance.training_s / 60:.1f} minutes",
        "items": ", ".join(f"{name} {count:,}" for name, count in provenance.split_items.items()),
        "leaves": len(bundle.card.taxonomy.leaves),
        "temperature": f"{bundle.card.calibration.temperature:.3f}",
        "data": provenance.data_fingerprint,
    }
    training = Training(provenance.epochs, provenance.best_epoch, provenance.left_out)
    write_report(out / "report", "Training report", facts, test, training)
    write_parquet(out / "splits.parquet", items.split_table())
    bundle.save(out)


def _say_items(console: Console, staged: Staged, items: LabelledItems) -> None:
    sides: Sequence[str] = [f"{name} {count:,}" for name, count in items.split_items().items()]
    console.step(
        f"{staged.rows:,} rows ({staged.repaired} repaired, {staged.rejects} rejected), "
        f"{staged.items:,} with both labels; "
        f"{len(items.taxonomy.leaves)} leaves, {len(items.left_out)} left out for too few items; {', '.join(sides)}"
    )


def _epoch_line(epoch: dict[str, float], epochs: int) -> str:
    return (
        f"epoch {epoch['epoch'] + 1:.0f} of {epochs}: train loss {epoch['train_loss']:.3f}, "
        f"val loss {epoch['val_loss']:.3f}, val accuracy {100 * epoch['val_accuracy']:.2f} %, "
        f"{epoch['images_per_s']:.0f} images/s"
    )


def _say_result(console: Console, bundle: Bundle, out: Location) -> None:
    card = bundle.card
    (test,) = card.metrics
    console.metrics(f"Test metrics of {card.model_id}", test)
    console.say(f"Bundle: {out}")
    console.say(f"Report: {out / 'report/index.html'}")
    console.result(
        {"bundle": str(out), "modelId": card.model_id, "metrics": test.model_dump(mode="json", by_alias=True)}
    )


if __name__ == "__main__":
    from jobs.cli import main

    main(job="train")
