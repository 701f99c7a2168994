"""From decoded images to what the model is trained on: augmentation, mixing, a smaller size, edges."""

import numpy as np
import torch
from torch import Tensor

from tagger.imaging.edges import all_with_edges
from tagger.schemas.configs.learning import Augmentation
from tagger.training.augment import Augment, Mix, resized
from tagger.training.plan import Plan

_MINORITY = {"flip": True, "shift": 0.1, "crop": 0.25, "rotation": 15.0, "colour": 0.2}
"""Augmentation of images of small leaves, after Buda et al. 2018 (arXiv:1710.05381), who find oversampling best."""


class TrainingInputs:
    """The augmentation of a plan.

    Args:
        plan: The plan of the training.
        device: The device of the images.
    """

    def __init__(self, plan: Plan, device: torch.device) -> None:
        config = plan.config
        self._preprocessing = plan.card.preprocessing
        self._device = device
        size = (self._preprocessing.height, self._preprocessing.width)
        self._augment = Augment(config, size)
        self._augment_more = Augment(Augmentation.model_validate(_MINORITY), size)
        self._mix = Mix(config.mixup, config.cutmix, len(plan.leaf_items))
        small = np.array(plan.leaf_items) < config.minority_items
        self._minority = torch.from_numpy(small).to(device) if config.minority_items else None

    def __call__(self, images: Tensor, leaves: Tensor, size: tuple[int, int] | None) -> tuple[Tensor, Tensor]:
        """Return the model's input uint8 [B, H, W, C], and leaves [B] or, if images are mixed, shares of leaves [B, L].

        Args:
            images: uint8 [B, H, W, 3].
            leaves: int64 [B].
            size: Height and width to resize to, if they are not those of the images.
        """
        images, targets = self._mix(self._augmented(images, leaves), leaves)
        return self.with_edges(resized(images, size) if size else images), targets

    def with_edges(self, images: Tensor) -> Tensor:
        """The images with their edges as another channel, if the model uses them."""
        if self._preprocessing.edges == "none":
            return images
        return torch.from_numpy(all_with_edges(images.cpu().numpy(), self._preprocessing)).to(self._device)

    def _augmented(self, images: Tensor, leaves: Tensor) -> Tensor:
        changed = self._augment(images)
        if self._minority is not None and (few := self._minority[leaves]).any():
            changed = changed.clone()
            changed[few] = self._augment_more(images[few])
        return changed
