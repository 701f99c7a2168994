"""Random changes of training images, on whole batches, each image with its own draw."""

import torch
from torch import Tensor


def random_flip(images: Tensor) -> Tensor:
    """Mirror half of the images [B, H, W, 3] left to right."""
    chosen = torch.rand(len(images), device=images.device) < 0.5
    return torch.where(chosen.view(-1, 1, 1, 1), images.flip(2), images)


def random_shift(images: Tensor, share: float) -> Tensor:
    """Move every image [B, H, W, 3] by up to `share` of each side; the edge's pixels fill the gap."""
    if share <= 0:
        return images
    size, height, width = images.shape[:3]
    rows = _shifted(size, height, share, images.device)
    columns = _shifted(size, width, share, images.device)
    item = torch.arange(size, device=images.device).view(-1, 1, 1)
    return images[item, rows.unsqueeze(2), columns.unsqueeze(1)]


def _shifted(batch: int, length: int, share: float, device: torch.device) -> Tensor:
    largest = round(share * length)
    offset = torch.randint(-largest, largest + 1, (batch, 1), device=device)
    return (torch.arange(length, device=device) + offset).clamp(0, length - 1)
