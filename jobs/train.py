"""Train job: manifest and images in, a bundle out."""

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import ray.data

from tagger.cluster.session import check_workers, ray_session, wants_gpu
from tagger.dataset.items import LabelledItems
from tagger.dataset.split_rule import SplitRule
from tagger.dataset.splits import SPLITS
from tagger.dataset.splits_file import SPLITS_FILE
from tagger.decisions.labels import ReviewedLabels
from tagger.errors import UsageError
from tagger.evaluation.pictures import Pictures
from tagger.evaluation.report import Training
from tagger.images.stores import ImageStore
from tagger.imaging.quality import learn_blur_threshold
from tagger.io.location import Location
from tagger.io.parquet import write_parquet
from tagger.jobs.shell.console import Console
from tagger.manifest.manifest import Manifest
from tagger.models.backbones import check_weights
from tagger.models.bundle import CARD, Bundle
from tagger.models.classifier import pack
from tagger.schemas.configs.train import TrainConfig
from tagger.schemas.documents.bundle import ModelCard, Provenance
from tagger.training import recipes
from tagger.training.on_ray import CHECKPOINTS, Progress, Trained, edge_threshold, fit
from tagger.training.plan import Plan, draft_card, initial_weights, with_edge_threshold
from tagger.training.tensorboard import TensorBoardLog
from tagger.workflows.held_out import Measured, blur_scores, calibrate_and_measure, write_bundle_report
from tagger.workflows.holding_out import holds_out
from tagger.workflows.labelled import (
    Learnable,
    decode_sides,
    failures,
    nothing_left_of_a_refusal,
    read_learnable,
    reviewed_labels,
    split_labelled,
)
from tagger.workflows.open_catalog import open_catalog, place, versions

_BEFORE = {"split": "stratified"}
"""What bundles from before a setting were trained with, where its default is another now."""
_NOT_IN_IDENTITY = {
    "recipe", "ray_address", "device", "workers", "store_concurrency", "http_per_host", "http_timeout", "out",
}  # fmt: skip


@holds_out
def run(config: TrainConfig, console: Console) -> int:
    """Train a bundle; the same command goes on where an earlier one stopped."""
    started = time.monotonic()
    recipe = recipes.in_words(config)
    check_weights(config.backbone, config.weights)
    out = place(config.out, config)
    work = out / "_work"
    manifest, store = open_catalog(config, console)
    reviewed = reviewed_labels(config)
    if reviewed:
        manifest.relabel(reviewed)
    if _already_there(config, manifest, out, console):
        return 0
    with nothing_left_of_a_refusal(work, work / CHECKPOINTS):
        out.check_writable("--out")
        _claim(config, manifest, work)
        learnable = read_learnable(config, config.seed, config, manifest, store, work, console, bool(reviewed))
        with ray_session(config, processes=config.workers, with_data=True):
            made = _learn(config, console, _Inputs(manifest, store, learnable, reviewed, out, work))
    training_s = max(time.monotonic() - started, sum(epoch["seconds"] for epoch in made.provenance.epochs))
    provenance = made.provenance.model_copy(update={"training_s": training_s})
    bundle = made.measured.bundle.changed(metrics=(made.measured.metrics,), provenance=provenance)
    _write_report(bundle, made.measured, learnable.rule, recipe, Pictures(store, config.max_pixels), out, work)
    write_parquet(out / SPLITS_FILE, made.items.split_table())
    bundle.save(out)
    work.delete()
    _say_result(console, bundle, out)
    return 0


@dataclass(frozen=True)
class _Inputs:
    """What is learnt from, and where what is made of it goes."""

    manifest: Manifest
    store: ImageStore
    learnable: Learnable
    reviewed: ReviewedLabels | None
    out: Location
    work: Location


@dataclass(frozen=True)
class _Made:
    """A measured model, the items that it was made of, and where it comes from."""

    measured: Measured
    items: LabelledItems
    provenance: Provenance


def _learn(config: TrainConfig, console: Console, inputs: _Inputs) -> _Made:
    """Decode, train, calibrate and measure, on Ray."""
    store, work = inputs.store, inputs.work
    device = "cuda" if wants_gpu(config) else "cpu"
    check_workers(config, config.workers, device)
    items = _items(config, console, inputs)
    card = _card(config, inputs.manifest, items)
    initial = initial_weights(config, card, work)
    console.step("Decoding images")
    images = decode_sides(
        items, store, card.preprocessing, config.max_pixels, work, console, shuffle=config.seed, sides=SPLITS
    )
    failed = failures(work)
    card = card.model_copy(update={"blur_threshold": learn_blur_threshold(*blur_scores(images["train"]))})
    if card.preprocessing.edges == "blurry":
        card = with_edge_threshold(card, edge_threshold(images["train"]))
    leaf_items = _noted_items(images["train"], len(card.taxonomy.leaves), work)
    plan = Plan(config, card, initial, leaf_items, use_gpu=device == "cuda")
    trained = _train(plan, images, inputs.out, work, console)
    console.step("Calibrating on val, measuring on test")
    failed_of_test = failed["split"].to_pylist().count("test")
    measured = calibrate_and_measure(pack(card, trained.weights), images, device, failed_of_test)
    learnt = {
        "epochs": trained.history,
        "best_epoch": trained.best_epoch,
        "failed_images": failed.num_rows,
        "rejects": inputs.learnable.staged.rejects,
    }
    return _Made(measured, items, card.provenance.model_copy(update=learnt))


def _items(config: TrainConfig, console: Console, inputs: _Inputs) -> LabelledItems:
    """The items on their sides: reviewed ones weighed, the rest thinned out where that is asked for."""
    items = split_labelled(inputs.learnable, inputs.store, inputs.work, console)
    if inputs.reviewed:
        items = _with_weight(config, console, items, inputs.reviewed)
    if config.unbalance > 1:
        items = items.thinned(config.unbalance, config.seed)
        console.step(f"Thinned out: {items.split_items()['train']:,} items to train on")
    return items


def _with_weight(
    config: TrainConfig, console: Console, items: LabelledItems, reviewed: ReviewedLabels
) -> LabelledItems:
    effects = ", ".join(f"{n:,} {effect}" for effect, n in reviewed.counts.items())
    sides = items.frame.loc[items.frame["reviewed"], "split"].value_counts()
    learnt = int(sides.get("train", 0))
    console.step(
        f"{len(reviewed):,} review decisions ({effects}); {learnt:,} of the items train"
        + (f", each {config.decision_weight} times an epoch" if config.decision_weight > 1 else "")
        + (f"; {int(sides.get('control', 0)):,} of the control side do not" if "control" in sides else "")
    )
    return items.repeated(config.decision_weight)


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
    """Settings that differ; one that an earlier version did not know had its default then."""
    defaults = {name: field.default for name, field in TrainConfig.model_fields.items()} | _BEFORE
    names = {*before, *now} - _NOT_IN_IDENTITY
    return sorted(n for n in names if before.get(n, defaults.get(n)) != now.get(n, defaults.get(n)))


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


def _noted_items(train: ray.data.Dataset, leaves: int, work: Location) -> tuple[int, ...]:
    """Images of each leaf to train on: a resumed schedule keeps what it began with, whatever can be decoded now."""
    noted = work / "items.json"
    if not noted.exists():
        batches = train.select_columns("leaf").iter_batches(batch_format="numpy", batch_size=None)
        counts = sum((np.bincount(b["leaf"], minlength=leaves) for b in batches), np.zeros(leaves, np.int64))
        noted.write_text(json.dumps(counts.tolist()))
    return tuple(json.loads(noted.read_bytes()))


def _train(plan: Plan, images: dict[str, ray.data.Dataset], out: Location, work: Location, console: Console) -> Trained:
    console.step(f"Training {plan.config.backbone} on {plan.train_items:,} images, {plan.epochs} epochs")
    said = -1
    log = TensorBoardLog(out / "report" / "tensorboard")
    with console.progress("steps", plan.epochs * plan.steps) as bar, log:

        def watch(progress: Progress) -> None:
            nonlocal said
            if said < 0:
                said = 0
                if progress.resumed:
                    console.step(f"Going on after epoch {progress.resumed} of {plan.epochs}")
            for epoch in progress.history[said:]:
                console.step(_epoch_line(epoch, plan))
                log.add_epoch(epoch)
            said = max(said, len(progress.history))
            done = progress.epoch * progress.steps + progress.step
            if progress.step:
                log.add_step(done, progress.loss)
            bar.update(done, _note(progress, plan.config.monitor))

        trained = fit(plan, images["train"], images["val"], work, watch)
        for epoch in trained.history[max(0, said) :]:
            log.add_epoch(epoch)
        return trained


def _write_report(
    bundle: Bundle,
    measured: Measured,
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
        "data": provenance.data_fingerprint,
    }
    training = Training(provenance.epochs, provenance.best_epoch, provenance.left_out)
    write_bundle_report(out / "report", measured, pictures, facts, work, training)


def _epoch_line(epoch: dict[str, float], plan: Plan) -> str:
    waited = f", {100 * epoch['waited_share']:.0f}% of the time waiting for data" if plan.use_gpu else ""
    return (
        f"epoch {epoch['epoch'] + 1:.0f} of {plan.epochs}: train loss {epoch['train_loss']:.3f}, "
        f"val loss {epoch['val_loss']:.3f}, val accuracy {100 * epoch['val_accuracy']:.2f}%, "
        f"{epoch['images_per_s']:.0f} images/s{waited}"
    )


def _note(progress: Progress, monitor: str) -> str:
    """What stands beside the bar: loss and speed of this epoch, and the best figure so far."""
    best = max(progress.history, key=lambda epoch: epoch["score"], default=None)
    parts = [f"loss {progress.loss:.3f}", f"{progress.images_per_s:.0f} images/s"] if progress.step else []
    return ", ".join([*parts, *([f"best val {monitor} {best[f'val_{monitor}']:.4f}"] if best else [])])


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
    from tagger.jobs.shell.cli import main

    main(job="train")
