"""Starts Ray inside the command, or joins a cluster."""

import logging
import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import ray

from schemas.options import RayOptions
from tagger.allocator import KEEP_FREED_MEMORY
from tagger.errors import UsageError
from tagger.storage import first_line

_GB = 2**30
_CONNECT_TIMEOUT_S = 10
_FOR_CLUSTERS = ("monitor.py", "log_monitor.py")
_QUIET = {
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_TRAIN_V2_ENABLED": "1",
    "RAY_DEDUP_LOGS": "1",
}


@contextmanager
def ray_session(options: RayOptions, processes: int = 0, with_data: bool = False) -> Iterator[None]:
    """Have Ray for a while, on request with Ray Data; one that was running before is used and left running.

    With Ray Data, which training and what goes with it need, an embedded Ray's workers keep the memory that they free.

    An embedded Ray gets one logical CPU more than the machine has cores, or than `processes`: an actor pool that
    takes every CPU would leave none for the tasks that feed it.

    Raises:
        UsageError: when the cluster cannot be reached, or GPUs are asked for where there are none.
    """
    if ray.is_initialized():
        _check_gpus(options)
        yield
        return
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    for name in ("ray", "ray.data", "ray.train", "ray.tune"):
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        if options.ray_address:
            _check_reachable(options.ray_address)
            ray.init(address=options.ray_address, logging_level=logging.ERROR, log_to_driver=False)
        else:
            cores = len(os.sched_getaffinity(0))
            with _environment(KEEP_FREED_MEMORY if with_data else {}):
                ray.init(
                    address="local",
                    num_cpus=max(cores, processes) + 1,
                    include_dashboard=False,
                    object_store_memory=_object_store_bytes(),
                    logging_level=logging.ERROR,
                    log_to_driver=False,
                )
            _end_what_only_clusters_need()
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        if options.ray_address:
            raise UsageError(
                f"--ray-address {options.ray_address}: no Ray cluster there: {first_line(error)}"
            ) from error
        raise
    if with_data:
        from ray.data import DataContext

        context = DataContext.get_current()
        context.enable_progress_bars = False
        context.execution_options.preserve_order = True  # what a seed draws is of items in one order
        context.memory_usage_poll_interval_s = None  # it reads the whole memory map of every worker each second
    try:
        _check_gpus(options)
        yield
    finally:
        ray.shutdown()


def _end_what_only_clusters_need() -> None:
    """End Ray's autoscaler and log monitor: an embedded Ray never gets a node, and nobody reads its stream of logs.

    Ray has no switch for them. The autoscaler would hold up every end by a second, in which it calls a server that is
    gone; both would take from the cores that the job computes on.
    """
    for child in psutil.Process().children():
        with suppress(psutil.Error):
            if any(Path(word).name in _FOR_CLUSTERS for word in child.cmdline()):
                child.kill()


@contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    """Set variables for the processes that are started meanwhile."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def ray_is_running() -> bool:
    """Whether this process has a Ray that `ray_session` would join."""
    return bool(ray.is_initialized())


def gpus() -> int:
    """GPUs that Ray has."""
    return int(ray.cluster_resources().get("GPU", 0))


def compute_cores(options: RayOptions) -> int:
    """Cores that Ray computes on: the cluster's, or those of this machine that this process may use."""
    return int(ray.cluster_resources().get("CPU", 1)) if options.ray_address else len(os.sched_getaffinity(0))


def memory() -> float:
    """Bytes of memory that Ray leaves to workers, on all machines."""
    return float(ray.cluster_resources().get("memory", 0))


def wants_gpu(options: RayOptions) -> bool:
    """Whether the job runs on GPUs."""
    return options.device == "cuda" or (options.device == "auto" and gpus() > 0)


def check_workers(options: RayOptions, workers: int, device: str) -> None:
    """Raise UsageError when an embedded Ray can never start so many training workers; a cluster may still grow."""
    if device == "cuda" and not options.ray_address and workers > gpus():
        raise UsageError(f"--workers {workers}: each needs a GPU, and this machine has {gpus()}")


def _check_reachable(address: str) -> None:
    """Raise OSError when nothing listens at HOST:PORT; Ray itself would try for minutes."""
    found = re.fullmatch(r"(?:ray://)?(.+):(\d+)", address)
    if found:
        socket.create_connection((found[1].strip("[]"), int(found[2])), timeout=_CONNECT_TIMEOUT_S).close()


def _check_gpus(options: RayOptions) -> None:
    if options.device == "cuda" and not gpus():
        raise UsageError("--device cuda: Ray has no GPU here; take --device cpu, or a cluster with GPUs")


def _object_store_bytes() -> int:
    """A quarter of the memory, at least what a small job needs, at most what shared memory holds."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    shared = os.statvfs("/dev/shm")
    return int(max(_GB // 4, min(memory // 4, shared.f_bavail * shared.f_frsize * 0.8)))
