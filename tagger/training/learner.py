"""One process of a training: its model, its share of the images, its schedule. Independent of Ray."""

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from tagger.flow.prefetch import prefetched
from tagger.models.backbones import parameter_blocks
from tagger.models.classifier import new_classifier
from tagger.models.depthwise import avoid_slow_gradients
from tagger.models.levels import Levels
from tagger.schemas.values import parse_size
from tagger.training.checkpoint import TrainingState, load_state, load_weights, save_checkpoint
from tagger.training.compiled import CompiledModel
from tagger.training.embeddings import EmbeddingCache
from tagger.training.examples import Share
from tagger.training.inputs import TrainingInputs
from tagger.training.losses import LeafLoss
from tagger.training.plan import Plan
from tagger.training.position import Position, Tally, seed_random
from tagger.training.precision import use_bfloat16, use_tensor_float32
from tagger.training.sampling import epoch_order, leaf_shares
from tagger.training.schedules import optimiser, resume_at, scheduled
from tagger.training.transfer import BufferRing, on_device
from tagger.training.validation import ValSums, figures_of
from tagger.training.weight_average import weight_average
from tagger.training.workers import decided_by_first, share_buffers, sum_over_workers

_MIRRORED = 1
"""The last number of the seed that draws mirrored embeddings, in which it differs from that of the order."""

_ASKED_EVERY = 16
"""Steps after which several workers agree on whether to make one."""

Looking = Callable[[int, int], None]
"""Called with the number of images embedded, and their total."""


class _Head(nn.Module):
    """The head of a classifier: embeddings [B, D] to logits [B, L]."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, embeddings: Tensor) -> Tensor:
        logits: Tensor = self.head(embeddings)
        return logits.float()


class Learner:
    """Trains epoch by epoch: first the head on a frozen backbone, then the whole model or its last blocks.

    Args:
        plan: The plan of the training.
        train: This worker's share of the training images.
        val: This worker's share of the val images.
        device: Where to compute.
        rank: This worker's rank.
        distribute: Wraps the model so that workers share gradients; returns the model itself for one worker.
        folder: Where embeddings are kept, see `EmbeddingCache`.
    """

    def __init__(
        self,
        plan: Plan,
        train: Share,
        val: Share,
        device: torch.device,
        rank: int = 0,
        distribute: Callable[[nn.Module], nn.Module] = lambda model: model,
        folder: Path | None = None,
    ) -> None:
        self._plan = plan
        self._config = config = plan.config
        self._train, self._val = train, val
        self._device = device
        self._rank = rank
        self._distribute = distribute
        if device.type == "cuda":
            use_tensor_float32()
        self._buffers = BufferRing(pin=True) if device.type == "cuda" else None
        self._half = use_bfloat16(config.precision, device.type)
        self._model = new_classifier(plan.card, weights="none").to(device)
        self._model.load_state_dict(load(plan.initial_weights.read_bytes()))
        if self._half and device.type == "cpu":
            avoid_slow_gradients(self._model)
        if device.type == "cuda" and plan.workers > 1:
            self._model = nn.SyncBatchNorm.convert_sync_batchnorm(self._model)  # type: ignore[no-untyped-call]
        items = np.array(plan.leaf_items)
        counts = np.bincount(train.leaves, minlength=len(items))
        each_as_often = config.sampling == "uniform" and not config.minority_items
        self._shares = leaf_shares(counts if each_as_often else items, config.sampling, config.minority_items)
        self._inputs = TrainingInputs(plan, device)
        self._loss = LeafLoss(
            plan.leaf_items, config.class_weights, config.focal_gamma, config.logit_adjustment, config.label_smoothing
        ).to(device)
        self._average = weight_average(self._model, config.ema) if config.ema else None
        self._master_of = torch.from_numpy(Levels(plan.card.taxonomy).classes_of_leaves(np.arange(len(items)))[0])
        self._embeddings = EmbeddingCache(self._inputs.with_edges, self._model.embed, device, folder)
        self._show_looking: Looking = lambda seen, images: None
        self.state = TrainingState(steps=plan.steps, workers=plan.workers)
        self._position: Position | None = None
        self._saved_at = time.monotonic()
        self._begin_phase()

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, early stopping has ended the last phase, or the loss is not finite."""
        state, patience = self.state, self._config.patience
        in_last_phase = state.epoch > self._config.frozen_epochs or not self._config.epochs
        out_of_patience = bool(patience) and state.bad_epochs >= patience and in_last_phase
        return state.epoch >= self._plan.epochs or out_of_patience or state.diverged

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics of the last epoch, or, within an epoch, its number and that of its last step."""
        state = self.state
        return {"epoch": float(state.epoch), "step": float(state.step)} if state.step else state.history[-1]

    def run_epoch(
        self,
        show: Callable[[int, Tally, float], None] = lambda step, tally, seconds: None,
        show_looking: Looking = lambda seen, images: None,
        checkpoint: Callable[[], None] | None = None,
    ) -> None:
        """Train one epoch, or the rest of it, and measure it on val; its metrics are the last of `state.history`.

        Args:
            show: Called after each step with its number, this worker's tally, and the seconds so far.
            show_looking: Called while a frozen backbone embeds the images, with the number embedded and this worker's
                total.
            checkpoint: Called on all workers after the same step, `plan.checkpoint_s` after the last call of `save`,
                which it calls.
        """
        state = self.state
        if state.epoch == self._config.frozen_epochs and self._config.frozen_epochs and not state.step:
            state.bad_epochs = 0
            self._begin_phase()
        self._show_looking = show_looking
        tally, seconds = self._train_epoch(show, checkpoint)
        sums = sum_over_workers(tally.sums, self._device)
        loss, accuracy = Tally(sums).means()
        metrics = {
            "epoch": float(state.epoch),
            "train_loss": loss,
            "train_accuracy": accuracy,
            **self._validate(),
            "seconds": seconds,
            "images_per_s": float(sums[2]) / seconds,
            "waited_share": tally.waited_s / seconds,
            "workers": float(self._plan.workers),
            "worker_batch": float(self._plan.worker_batch),
            "lr_scale": self._plan.lr_scale,
        }
        state.add(metrics, self._config.monitor)
        self._position = None

    def save(self, folder: Path) -> None:
        """Write a checkpoint."""
        self.save_position(folder)
        average = self._average.module if self._average else None
        save_checkpoint(folder, self._model, average, self.state, self._optimiser, self._schedule)

    def save_position(self, folder: Path) -> None:
        """Write what differs between workers in a checkpoint: within an epoch, their position, else nothing."""
        self._saved_at = time.monotonic()
        if self._position:
            self._position.save(folder, self._rank)

    def resume(self, folder: Path) -> None:
        """Resume from a checkpoint.

        Within an epoch, this goes on with the next step, the same order and the same random numbers. If there were
        another number of workers, as large a part of the epoch is left, and drawn from the shares of the present ones.
        """
        self._model.load_state_dict(load_weights(folder, averaged=False))
        optimisation, self.state = load_state(folder)
        state, plan = self.state, self._plan
        before, same_rates = state.steps or plan.steps, state.workers in (0, plan.workers)
        if state.step and state.workers == plan.workers:
            self._position = Position.load(folder, self._rank)
        elif state.step:
            state.step = max(0, min(plan.steps - 1, round(state.step * plan.steps / before)))
        state.steps, state.workers = plan.steps, plan.workers
        self._begin_phase()
        if state.step or state.epoch != self._config.frozen_epochs or not state.epoch:
            if before == plan.steps and same_rates:
                self._optimiser.load_state_dict(optimisation["optimiser"])
                self._schedule.load_state_dict(optimisation["schedule"])
            else:
                phase = 0 if self._frozen else self._config.frozen_epochs
                done = self._steps_done - phase * plan.steps
                resume_at(self._optimiser, self._schedule, done, optimisation["optimiser"])
        if self._average:
            self._average.module.load_state_dict(load_weights(folder))
            self._average.n_averaged.fill_(self._steps_done)

    @property
    def _frozen(self) -> bool:
        return self.state.epoch < self._config.frozen_epochs

    @property
    def _early_size(self) -> tuple[int, int] | None:
        """Image size of this epoch, if it differs from that of the model."""
        config = self._config
        early = 0 <= self.state.epoch - config.frozen_epochs < config.early_epochs
        return parse_size(config.early_size) if early and config.early_size else None

    @property
    def _steps_done(self) -> int:
        return self.state.epoch * self._plan.steps + self.state.step

    def _begin_phase(self) -> None:
        config, model = self._config, self._model
        self._embeddings.clear()
        model.requires_grad_(True)
        model.backbone.requires_grad_(not self._frozen)
        if not self._frozen and config.tuned_blocks:
            for parameters in parameter_blocks(model.backbone)[: -config.tuned_blocks]:
                for parameter in parameters:
                    parameter.requires_grad_(False)
        self._trained = self._distribute(_Head(model.head) if self._frozen else model)
        compiles = self._device.type == "cuda" and not self._frozen
        self._forward: Callable[..., Any] = CompiledModel(self._trained) if compiles else self._trained
        scale = self._plan.lr_scale
        self._optimiser = optimiser(
            config.optimiser, model.backbone, model.head_and_edges, config.lr * scale, config.head_lr * scale,
            config.weight_decay, config.momentum, config.layer_decay,
        )  # fmt: skip
        epochs = config.frozen_epochs if self._frozen else config.epochs
        steps = max(1, epochs) * self._plan.steps
        self._schedule = scheduled(self._optimiser, config.schedule, steps, config.lr_end)

    def _train_epoch(
        self, show: Callable[[int, Tally, float], None], checkpoint: Callable[[], None] | None
    ) -> tuple[Tally, float]:
        """Train the steps of an epoch that are not done yet; the tally and the seconds are of all its steps."""
        self._model.train()
        if self._frozen:
            self._model.backbone.eval()
        elif self._config.tuned_blocks:
            for module in self._model.backbone.modules():
                parameters = list(module.parameters(recurse=False))
                if parameters and not any(parameter.requires_grad for parameter in parameters):
                    module.eval()  # its batch statistics are frozen, too
        state, begun = self.state, self._position
        if begun:
            begun.restore_random(self._device)
        else:  # an epoch's draws do not depend on earlier ones
            seed_random((self._config.seed, state.epoch, self._rank, *([state.step] if state.step else [])))
        sums = begun.sums if begun else torch.zeros(3, dtype=torch.double)
        tally = Tally(sums.to(self._device), begun.waited_s if begun else 0.0)
        started = time.perf_counter() - (begun.seconds if begun else 0.0)
        for images, leaves, waited_s in self._batches():
            tally = Tally(tally.sums + self._step(images, leaves), tally.waited_s + waited_s)
            state.step += 1
            seconds = time.perf_counter() - started
            if checkpoint and self._needs_checkpoint():
                self._position = Position.now(self._device, tally.sums, tally.waited_s, seconds)
                checkpoint()
            show(state.step, tally, seconds)
        return tally, time.perf_counter() - started

    def _needs_checkpoint(self) -> bool:
        """Whether it is time for a checkpoint within the epoch, as the first worker says."""
        step, workers = self.state.step, self._plan.workers
        if step >= self._plan.steps or (workers > 1 and step % _ASKED_EVERY):
            return False
        return decided_by_first(time.monotonic() - self._saved_at >= self._plan.checkpoint_s, self._device)

    def _batches(self) -> Iterator[tuple[Tensor, Tensor, float]]:
        """The rest of this epoch's images or embeddings, and leaves, on the device, with the seconds of waiting."""
        plan, seed = self._plan, (self._config.seed, self.state.epoch, self._rank)
        order = epoch_order(self._train.leaves, self._shares, plan.steps * plan.worker_batch, seed)
        rest = slice(self.state.step * plan.worker_batch, None)
        if self._keeps_embeddings:
            kept = self._embeddings.get("train", self._train, self._config.flip, self._show_looking)
            mirrored = np.random.default_rng((*seed, _MIRRORED)).integers(1 + self._config.flip, size=len(order))
            batches = kept.batches(order[rest], mirrored[rest], plan.worker_batch)
        else:
            batches = ((images, leaves) for _, images, leaves in self._train.batches(order[rest], plan.worker_batch))
        return on_device(batches, self._device, self._buffers)

    def _step(self, images: Tensor, leaves: Tensor) -> Tensor:
        """One step of the optimiser, in one or several passes; return loss times items, hits and items, [3]."""
        sums = torch.zeros(3, dtype=torch.double, device=self._device)
        passes = min(self._config.accumulate, len(leaves))
        parts = list(zip(*(whole.tensor_split(passes) for whole in (images, leaves)), strict=True))
        self._optimiser.zero_grad(set_to_none=True)
        for number, part in enumerate(parts, 1):
            alone = number < len(parts) and isinstance(self._trained, DistributedDataParallel)
            with self._trained.no_sync() if alone else nullcontext():  # type: ignore[operator]
                loss, hits = self._pass(*part)
                (loss * len(part[0]) / len(leaves)).backward()  # type: ignore[no-untyped-call]
            items = hits.new_tensor(len(part[0]))
            sums += torch.stack([loss.detach() * items, hits, items]).double()
        self._optimiser.step()
        self._schedule.step()
        if self._average:
            self._average.update_parameters(self._model)
        return sums

    def _pass(self, images: Tensor, leaves: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._half):
            if self._keeps_embeddings:
                logits, targets = self._forward(images.float()), leaves
            else:
                images, targets = self._inputs(images, leaves, self._early_size)
                if self._frozen:
                    with torch.no_grad():
                        embeddings = self._model.embed(images)
                    logits = self._forward(embeddings)
                else:
                    logits, *_ = self._forward(images)
        return self._loss(logits.float(), targets), (logits.argmax(1) == leaves).sum()

    @property
    def _keeps_embeddings(self) -> bool:
        """Whether embeddings are cached: the backbone is frozen, and the only augmentation is mirroring."""
        config = self._config
        changes = (config.shift, config.crop, config.rotation, config.colour, config.erasing, config.noise, config.blur)
        return self._frozen and not any((*changes, config.mixup, config.cutmix, config.minority_items))

    @torch.no_grad()
    def _validate(self) -> dict[str, float]:
        model = self._average.module if self._average else self._model
        share_buffers(model)
        model.eval()
        sums = ValSums(len(self._plan.leaf_items))
        everything = np.arange(len(self._val))
        if self._frozen:
            kept = self._embeddings.get("val", self._val, flip=False, show=self._show_looking)
            batches = kept.batches(everything, np.zeros_like(everything), self._plan.worker_batch)
        else:
            batches = ((images, leaves) for _, images, leaves in self._val.batches(everything, self._plan.worker_batch))
        for images, leaves in prefetched(batches):
            images = images.to(self._device)
            with torch.autocast(self._device.type, torch.bfloat16, enabled=self._half):
                if self._frozen:
                    logits = model.get_submodule("head")(images.float())
                else:
                    logits, _ = model(self._inputs.with_edges(images))
            sums.add(logits, leaves)
        self._model.train()
        return figures_of(sum_over_workers(sums.flat(), self._device), self._master_of)
