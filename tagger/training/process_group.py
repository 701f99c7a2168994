"""How the processes of a training find each other."""

from datetime import timedelta
from typing import Any

import ray
import ray.util
from ray.train.torch import TorchConfig
from ray.train.torch.config import _TorchBackend
from torch import distributed
from torch.distributed import TCPStore  # type: ignore[attr-defined]  # exported from its C++ part

_held_stores: list[TCPStore] = []
"""The store that this process serves."""


class HeldPort(TorchConfig):  # type: ignore[misc]  # Ray's classes have no types for mypy
    """PyTorch's process group, with a port that is held from the moment it is chosen.

    Ray Train asks the first worker for a free port, and the worker listens there some time later; when another
    connection of the machine got that port in the meantime, the training fails with EADDRINUSE. Here, the first worker
    listens at once, on a port that the system chooses, and tells the others which one it is.
    """

    @property
    def backend_cls(self) -> type[_TorchBackend]:
        """The class that Ray Train's controller calls at the start and the end of the workers."""
        return _HeldPortBackend


class _HeldPortBackend(_TorchBackend):  # type: ignore[misc]
    def on_start(self, worker_group: Any, backend_config: TorchConfig) -> None:
        """Make the process group of all workers."""
        name = "nccl" if worker_group.get_resources_per_worker().get("GPU", 0) else "gloo"
        timeout = timedelta(seconds=backend_config.timeout_s)
        address = worker_group.execute_single(0, _listen)
        workers = len(worker_group)
        joined = [
            worker_group.execute_single_async(
                rank, _join, address, rank, workers, backend_config.backend or name, timeout
            )
            for rank in range(workers)
        ]
        ray.get(joined)


def _listen() -> tuple[str, int]:
    """Serve a store in this process; its address and port, for the other workers."""
    host = ray.util.get_node_ip_address()
    _held_stores[:] = [TCPStore(host, 0, is_master=True, wait_for_workers=False)]
    return host, _held_stores[0].port


def _join(address: tuple[str, int], rank: int, workers: int, backend: str, timeout: timedelta) -> None:
    """Join the process group of the workers that meet at an address; the first one serves it."""
    store = TCPStore(*address, is_master=False, timeout=timeout) if rank else _held_stores.pop()
    store.set_timeout(timeout)
    distributed.init_process_group(backend, store=store, rank=rank, world_size=workers, timeout=timeout)
