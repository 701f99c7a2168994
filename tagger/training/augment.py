"""Random augmentation of training images, on whole batches."""

from typing import Any

import torch
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2.functional import resize

from tagger.schemas.configs.learning import Augmentation

_SHARED_DRAW = {"cpu": 4, "cuda": 32}
"""Images per call of torchvision's transforms, which draw once per call, by device; each call has a cost on a GPU."""

_WHITE = 255


def random_flip(images: Tensor) -> Tensor:
    """Mirror half of the images [B, H, W, 3] left to right."""
    chosen = torch.rand(len(images), device=images.device) < 0.5
    return torch.where(chosen.view(-1, 1, 1, 1), images.flip(2), images)


def random_shift(images: Tensor, share: float) -> Tensor:
    """Shift every image [B, H, W, 3] by up to `share` of each side; edge pixels fill the gap."""
    if share <= 0:
        return images
    size, height, width = images.shape[:3]
    rows = _shifted(size, height, share, images.device)
    columns = _shifted(size, width, share, images.device)
    item = torch.arange(size, device=images.device).view(-1, 1, 1)
    return images[item, rows.unsqueeze(2), columns.unsqueeze(1)]


def resized(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Return images uint8 [B, H, W, 3] resized to another height and width, with antialiasing if smaller."""
    planes: Tensor = resize(images.permute(0, 3, 1, 2), list(size), antialias=True)
    return planes.permute(0, 2, 3, 1)


class Augment:
    """The augmentation of a recipe, on uint8 images [B, H, W, 3].

    Args:
        strengths: Strength of each transform; 0 disables it.
        image_size: Height and width, which do not change.
    """

    def __init__(self, strengths: Augmentation, image_size: tuple[int, int]) -> None:
        self._strengths = strengths
        steps = _transforms(strengths, image_size)
        self._transform = v2.Compose(steps) if steps else None

    def __call__(self, images: Tensor) -> Tensor:
        """Return augmented images, uint8 [B, H, W, 3]; the input is not modified."""
        if self._strengths.flip:
            images = random_flip(images)
        images = random_shift(images, self._strengths.shift)
        if self._transform:
            planes = images.permute(0, 3, 1, 2)
            planes = torch.cat([self._transform(few) for few in torch.split(planes, _SHARED_DRAW[images.device.type])])
            images = planes.permute(0, 2, 3, 1)
        return images


class Mix:
    """Mixes the images of a batch, and their labels with them: mixup (Zhang et al. 2018, arXiv:1710.09412) or CutMix
    (Yun et al. 2019, arXiv:1905.04899), one of them at random if both are on.
    """

    def __init__(self, mixup: float, cutmix: float, leaves: int) -> None:
        kinds = [(v2.MixUp, mixup), (v2.CutMix, cutmix)]
        self._kinds: list[Any] = [kind(alpha=alpha, num_classes=leaves) for kind, alpha in kinds if alpha]

    def __call__(self, images: Tensor, leaves: Tensor) -> tuple[Tensor, Tensor]:
        """Return uint8 images [B, H, W, 3] and shares of leaves float32 [B, L], or leaves [B] if mixing is off."""
        if not self._kinds:
            return images, leaves
        kind = self._kinds[int(torch.randint(len(self._kinds), ()))]
        mixed, shares = kind(images.permute(0, 3, 1, 2).float(), leaves)
        return mixed.round().to(torch.uint8).permute(0, 2, 3, 1), shares


def _transforms(strengths: Augmentation, image_size: tuple[int, int]) -> list[v2.Transform]:
    transforms: list[v2.Transform] = []
    if strengths.crop:
        transforms.append(v2.RandomResizedCrop(image_size, scale=(1 - strengths.crop, 1.0), ratio=_ratios(image_size)))
    if strengths.rotation:
        transforms.append(v2.RandomRotation(strengths.rotation, v2.InterpolationMode.BILINEAR, fill=_WHITE))
    if strengths.colour:
        transforms.append(v2.ColorJitter(strengths.colour, strengths.colour, strengths.colour, strengths.colour / 10))
    if strengths.blur:
        transforms.append(v2.RandomApply([v2.GaussianBlur(7, (0.5, 2.5))], strengths.blur))
    if strengths.noise:
        transforms += [
            v2.ToDtype(torch.float32, scale=True),
            v2.GaussianNoise(sigma=strengths.noise),
            v2.ToDtype(torch.uint8, scale=True),
        ]
    if strengths.erasing:
        transforms.append(v2.RandomErasing(strengths.erasing, scale=(0.02, 0.2), value=_WHITE))
    return transforms


def _ratios(image_size: tuple[int, int]) -> tuple[float, float]:
    """Aspect ratios around that of the image."""
    ratio = image_size[1] / image_size[0]
    return ratio * 0.9, ratio / 0.9


def _shifted(batch: int, length: int, share: float, device: torch.device) -> Tensor:
    largest = round(share * length)
    offset = torch.randint(-largest, largest + 1, (batch, 1), device=device)
    return (torch.arange(length, device=device) + offset).clamp(0, length - 1)
