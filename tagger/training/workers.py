"""What the processes of one training do together; each does nothing of it where it is alone."""

import torch
import torch.distributed as dist
from torch import Tensor, nn


def sum_over_workers(sums: Tensor, device: torch.device) -> Tensor:
    """Sum what each worker has counted, on the CPU.

    Args:
        sums: This worker's.
        device: Where the workers talk to each other.
    """
    if _has_company():
        sums = sums.to(device)
        dist.all_reduce(sums)
    return sums.cpu()


def share_buffers(model: nn.Module) -> None:
    """Give all workers the first one's batch statistics, with which the model is saved."""
    if _has_company():
        for buffer in model.buffers():
            dist.broadcast(buffer, 0)


def _has_company() -> bool:
    return dist.is_initialized() and dist.get_world_size() > 1
