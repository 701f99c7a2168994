"""Collective operations of the workers of a training; no-ops for a single worker."""

import torch
import torch.distributed as dist
from torch import Tensor, nn


def sum_over_workers(sums: Tensor, device: torch.device) -> Tensor:
    """Sum the counts of all workers, on the CPU.

    Args:
        sums: This worker's.
        device: The device of the collective operation.
    """
    if _has_company():
        sums = sums.to(device)
        dist.all_reduce(sums)
    return sums.cpu()


def share_buffers(model: nn.Module) -> None:
    """Broadcast the first worker's batch statistics, which are saved with the model."""
    if _has_company():
        for buffer in model.buffers():
            dist.broadcast(buffer, 0)


def _has_company() -> bool:
    return dist.is_initialized() and dist.get_world_size() > 1
