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


def decided_by_first(decision: bool, device: torch.device) -> bool:
    """The first worker's decision, for all workers.

    Args:
        decision: This worker's.
        device: The device of the collective operation.
    """
    if not _has_company():
        return decision
    answer = torch.tensor([int(decision)], device=device)
    dist.broadcast(answer, 0)
    return bool(answer.item())


def share_buffers(model: nn.Module) -> None:
    """Broadcast the first worker's batch statistics, which are saved with the model."""
    if _has_company():
        for buffer in model.buffers():
            dist.broadcast(buffer, 0)


def _has_company() -> bool:
    return dist.is_initialized() and dist.get_world_size() > 1
