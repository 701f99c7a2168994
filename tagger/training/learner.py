"""One process of a training: its model, its share of the images, its schedule. Independent of Ray."""

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from tagger.flow.prefetch import prefetched
from tagger.imaging.edges import all_with_edges
from tagger.models.backbones import parameter_blocks
from tagger.models.classifier import new_classifier
from tagger.models.depthwise import avoid_slow_gradients
from tagger.models.levels import Levels
from tagger.schemas.configs.learning import Augmentation
from tagger.schemas.values import parse_size
from tagger.training.augment import Augment, Mix, resized
from tagger.training.checkpoint import TrainingState, load_state, load_weights, save_checkpoint
from tagger.training.embeddings import EmbeddingCache
from tagger.training.examples import Examples
from tagger.training.losses import LeafLoss
from tagger.training.plan import Plan
from tagger.training.precision import use_bfloat16
from tagger.training.sampling import epoch_order, leaf_shares
from tagger.training.schedules import optimiser, scheduled
from tagger.training.validation import ValSums, figures_of
from tagger.training.weight_average import weight_average
from tagger.training.workers import share_buffers, sum_over_workers

_MINORITY = {"flip": True, "shift": 0.1, "crop": 0.25, "rotation": 15.0, "colour": 0.2}
"""Augmentation of images of small leaves, after Buda et al. 2018 (arXiv:1710.05381), who find oversampling best."""


Looking = Callable[[int, int], None]
"""Called with the number of images embedded, and their total."""


@dataclass(frozen=True)
class Tally:
    """Sums of one worker over an epoch's steps, on its device, so that no step waits for a copy."""

    sums: Tensor
    """Loss times items, hits and items, float64 [3]."""
    waited_s: float = 0.0

    def means(self) -> tuple[float, float]:
        """Mean loss and accuracy so far."""
        loss, hits, items = self.sums.tolist()
        return loss / max(1.0, items), hits / max(1.0, items)


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
    """

    def __init__(
        self,
        plan: Plan,
        train: Examples,
        val: Examples,
        device: torch.device,
        rank: int = 0,
        distribute: Callable[[nn.Module], nn.Module] = lambda model: model,
    ) -> None:
        self._plan = plan
        self._config = config = plan.config
        self._train, self._val = train, val
        self._device = device
        self._rank = rank
        self._distribute = distribute
        self._half = use_bfloat16(config.precision, device.type)
        self._model = new_classifier(plan.card, weights="none").to(device)
        self._model.load_state_dict(load(plan.initial_weights.read_bytes()))
        if self._half and device.type == "cpu":
            avoid_slow_gradients(self._model)
        if device.type == "cuda" and config.workers > 1:
            self._model = nn.SyncBatchNorm.convert_sync_batchnorm(self._model)  # type: ignore[no-untyped-call]
        items = np.array(plan.leaf_items)
        counts = np.bincount(train.leaves, minlength=len(items))
        each_as_often = config.sampling == "uniform" and not config.minority_items
        self._shares = leaf_shares(counts if each_as_often else items, config.sampling, config.minority_items)
        self._minority = torch.from_numpy(items < config.minority_items).to(device)
        size = (plan.card.preprocessing.height, plan.card.preprocessing.width)
        self._augment = Augment(config, size)
        self._augment_more = Augment(Augmentation.model_validate(_MINORITY), size)
        self._mix = Mix(config.mixup, config.cutmix, len(items))
        self._loss = LeafLoss(
            plan.leaf_items, config.class_weights, config.focal_gamma, config.logit_adjustment, config.label_smoothing
        ).to(device)
        self._average = weight_average(self._model, config.ema) if config.ema else None
        self._master_of = torch.from_numpy(Levels(plan.card.taxonomy).classes_of_leaves(np.arange(len(items)))[0])
        self._embeddings = EmbeddingCache(self._with_edges, self._model.embed, device)
        self._show_looking: Looking = lambda seen, images: None
        self.state = TrainingState()
        self._begin_phase()

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, early stopping has ended the last phase, or the loss is not finite."""
        state, patience = self.state, self._config.patience
        in_last_phase = state.epoch > self._config.frozen_epochs or not self._config.epochs
        out_of_patience = bool(patience) and state.bad_epochs >= patience and in_last_phase
        return state.epoch >= self._plan.epochs or out_of_patience or state.diverged

    def run_epoch(
        self,
        show: Callable[[int, Tally, float], None] = lambda step, tally, seconds: None,
        show_looking: Looking = lambda seen, images: None,
    ) -> None:
        """Train one epoch and measure it on val; its metrics are the last of `state.history`.

        Args:
            show: Called after each step with its number, this worker's tally, and the seconds so far.
            show_looking: Called while a frozen backbone embeds the images, with the number embedded and this worker's
                total.
        """
        if self.state.epoch == self._config.frozen_epochs and self._config.frozen_epochs:
            self.state.bad_epochs = 0
            self._begin_phase()
        self._show_looking = show_looking
        drawn_from = np.random.SeedSequence((self._config.seed, self.state.epoch, self._rank))
        torch.manual_seed(int(drawn_from.generate_state(1)[0]))  # an epoch's draws do not depend on earlier ones
        started = time.perf_counter()
        tally = self._train_epoch(show)
        seconds = time.perf_counter() - started
        loss, accuracy = Tally(sum_over_workers(tally.sums, self._device)).means()
        items = self._plan.steps * self._plan.worker_batch * self._config.workers
        metrics = {
            "epoch": float(self.state.epoch),
            "train_loss": loss,
            "train_accuracy": accuracy,
            **self._validate(),
            "seconds": seconds,
            "images_per_s": items / seconds,
            "waited_share": tally.waited_s / seconds,
        }
        self.state.add(metrics, self._config.monitor)

    def save(self, folder: Path) -> None:
        """Write a checkpoint."""
        average = self._average.module if self._average else None
        save_checkpoint(folder, self._model, average, self.state, self._optimiser, self._schedule)

    def resume(self, folder: Path) -> None:
        """Resume from a checkpoint."""
        self._model.load_state_dict(load_weights(folder, averaged=False))
        optimisation, self.state = load_state(folder)
        self._begin_phase()
        if self._average:
            self._average.module.load_state_dict(load_weights(folder))
            self._average.n_averaged.fill_(self._steps_done)
        if self.state.epoch != self._config.frozen_epochs or not self._config.frozen_epochs:
            self._optimiser.load_state_dict(optimisation["optimiser"])
            self._schedule.load_state_dict(optimisation["schedule"])

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
        return self.state.epoch * self._plan.steps

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
        self._optimiser = optimiser(
            config.optimiser, model.backbone, model.head_and_edges, config.lr, config.head_lr, config.weight_decay,
            config.momentum, config.layer_decay,
        )  # fmt: skip
        epochs = config.frozen_epochs if self._frozen else config.epochs
        steps = max(1, epochs) * self._plan.steps
        self._schedule = scheduled(self._optimiser, config.schedule, steps, config.lr_end)

    def _train_epoch(self, show: Callable[[int, Tally, float], None]) -> Tally:
        self._model.train()
        if self._frozen:
            self._model.backbone.eval()
        elif self._config.tuned_blocks:
            for module in self._model.backbone.modules():
                parameters = list(module.parameters(recurse=False))
                if parameters and not any(parameter.requires_grad for parameter in parameters):
                    module.eval()  # its batch statistics are frozen, too
        tally = Tally(torch.zeros(3, dtype=torch.double, device=self._device))
        started = time.perf_counter()
        for step, (indices, images, leaves, waited_s) in enumerate(self._batches(), 1):
            tally = Tally(tally.sums + self._step(indices, images, leaves), tally.waited_s + waited_s)
            show(step, tally, time.perf_counter() - started)
        return tally

    def _batches(self) -> Iterator[tuple[Tensor, Tensor, Tensor, float]]:
        """This epoch's batches on the device, each with the seconds of waiting for it."""
        plan, seed = self._plan, (self._config.seed, self.state.epoch, self._rank)
        order = epoch_order(self._train.leaves, self._shares, plan.steps * plan.worker_batch, seed)
        batches = self._train.batches(order, plan.worker_batch, with_images=not self._keeps_embeddings)
        if self._device.type == "cuda":
            batches = ((a.pin_memory(), b.pin_memory(), c.pin_memory()) for a, b, c in batches)
        started = time.perf_counter()
        for batch in prefetched(batches):
            indices, images, leaves = (part.to(self._device, non_blocking=True) for part in batch)
            yield indices, images, leaves, time.perf_counter() - started
            started = time.perf_counter()

    def _step(self, indices: Tensor, images: Tensor, leaves: Tensor) -> Tensor:
        """One step of the optimiser, in one or several passes; return loss times items, hits and items, [3]."""
        sums = torch.zeros(3, dtype=torch.double, device=self._device)
        passes = min(self._config.accumulate, len(indices))
        parts = list(zip(*(whole.tensor_split(passes) for whole in (indices, images, leaves)), strict=True))
        self._optimiser.zero_grad(set_to_none=True)
        for number, part in enumerate(parts, 1):
            alone = number < len(parts) and isinstance(self._trained, DistributedDataParallel)
            with self._trained.no_sync() if alone else nullcontext():  # type: ignore[operator]
                loss, hits = self._pass(*part)
                (loss * len(part[0]) / len(indices)).backward()  # type: ignore[no-untyped-call]
            items = hits.new_tensor(len(part[0]))
            sums += torch.stack([loss.detach() * items, hits, items]).double()
        self._optimiser.step()
        self._schedule.step()
        if self._average:
            self._average.update_parameters(self._model)
        return sums

    def _pass(self, indices: Tensor, images: Tensor, leaves: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._half):
            if self._keeps_embeddings:
                vectors = self._embeddings.get("train", self._train, self._config.flip, self._show_looking)
                side = torch.randint(len(vectors), (len(indices),), device=self._device)
                logits, targets = self._trained(vectors[side, indices]), leaves
            else:
                images, targets = self._mix(self._augmented(images, leaves), leaves)
                if self._early_size:
                    images = resized(images, self._early_size)
                images = self._with_edges(images)
                if self._frozen:
                    with torch.no_grad():
                        embeddings = self._model.embed(images)
                    logits = self._trained(embeddings)
                else:
                    logits, _ = self._trained(images)
        return self._loss(logits.float(), targets), (logits.argmax(1) == leaves).sum()

    def _augmented(self, images: Tensor, leaves: Tensor) -> Tensor:
        changed = self._augment(images)
        if self._config.minority_items and (few := self._minority[leaves]).any():
            changed = changed.clone()
            changed[few] = self._augment_more(images[few])
        return changed

    def _with_edges(self, images: Tensor) -> Tensor:
        """The model's input: the augmented images, with their edges if the model uses them."""
        preprocessing = self._plan.card.preprocessing
        if preprocessing.edges == "none":
            return images
        return torch.from_numpy(all_with_edges(images.cpu().numpy(), preprocessing)).to(self._device)

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
        batches = self._val.batches(everything, self._plan.worker_batch, with_images=not self._frozen)
        for indices, images, leaves in batches:
            with torch.autocast(self._device.type, torch.bfloat16, enabled=self._half):
                if self._frozen:
                    embeddings = self._embeddings.get("val", self._val, flip=False, show=self._show_looking)
                    logits = model.get_submodule("head")(embeddings[0, indices.to(self._device)])
                else:
                    logits, _ = model(self._with_edges(images.to(self._device)))
            sums.add(logits, leaves)
        self._model.train()
        return figures_of(sum_over_workers(sums.flat(), self._device), self._master_of)
