"""Starts Ray inside the command, or connects to a cluster."""

import logging
import os
import re
import secrets
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, chdir, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import ray
from ray._private import auto_init_hook

from tagger.allocator import keep_freed_memory
from tagger.cluster.local_paths import check_local_paths
from tagger.cluster.ray_patches import own_sigterm_handler, without_cluster_services
from tagger.errors import UsageError
from tagger.io.location import first_line
from tagger.io.scratch import scratch_folder
from tagger.io.signals import held_back_signals, kept_signal_handlers
from tagger.machine import usable_cores, usable_memory_bytes
from tagger.reporter import LOG, Reporter
from tagger.schemas.configs.options import RayOptions

_LOG = logging.getLogger(__name__)
_GB = 2**30
_MAX_REASON = 400
_KILL_TIMEOUT_S, _KILL_POLL_S = 5.0, 0.02
_CONNECT_TIMEOUT_S = 10
_QUIET_SETTINGS = {
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_TRAIN_V2_ENABLED": "1",
    "RAY_DEDUP_LOGS": "1",
    "RAY_AIR_NEW_OUTPUT": "0",
}
_QUIET_EMBEDDED = {"RAY_BACKEND_LOG_LEVEL": "fatal"}
"""Ray's C++ core logs the end of every actor as an error on the terminal; real errors also come as exceptions."""
_ONE_NODE_SETTINGS = {"RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0", "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5"}
"""The node of an embedded Ray is never preempted, so no process watches for it. A short interval costs little, and it
shows at once, rather than within 2 s, that workers have started or finished."""
_AUTH = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
_NO_TOKEN = b"InvalidAuthToken"
"""Ray's core writes this when the cluster rejects this process's token, or its lack of one."""
_joined_addresses: list[str] = []
"""The address of the cluster that this process is connected to."""
_MAX_TEMP_DIR = 26
"""Longest path of the folder for an embedded Ray's sockets, in characters: a socket's path has 107 at most."""


@contextmanager
def ray_session(
    options: RayOptions, processes: int = 0, with_data: bool = False, reporter: Reporter = LOG
) -> Iterator[None]:
    """Run Ray inside the `with`; a Ray that is running already is used and left running.

    With Ray Data (`with_data`), which training needs, the workers of an embedded Ray keep the memory that they free.

    An embedded Ray gets one logical CPU more than the usable cores, or than `processes`: an actor pool that takes every
    CPU would leave none for the tasks that feed it.

    On several machines, the reporter is warned of local paths.

    Raises:
        UsageError: when the cluster cannot be reached, `cuda` is requested on one machine without a GPU, or a path
            is relative on several machines.
        KeyboardInterrupt: also at the end, after a signal that came during the shutdown.
    """
    if ray.is_initialized():
        if options.ray_address not in (None, "local", "auto", *_joined_addresses):
            reporter.warn(f"--ray-address {options.ray_address} is ignored: this process has a Ray already")
        _check_gpus(options, reporter)
        check_local_paths(options, _nodes(), reporter)
        yield
        return
    for name, value in _QUIET_SETTINGS.items():
        os.environ.setdefault(name, value)
    for name in ("ray", "ray.data", "ray.train", "ray.tune"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with ExitStack() as resources:
        folder = resources.enter_context(scratch_folder("tagger-ray-", _temp_dir()))
        try:
            if options.ray_address:
                _connect(options.ray_address, folder)
                _joined_addresses.append(options.ray_address)
            else:
                _start_embedded(processes, with_data, folder)
            if with_data:
                _set_up_data()
            _check_gpus(options, reporter)
            check_local_paths(options, _nodes(), reporter)
            yield
        finally:
            with held_back_signals():
                children = [] if options.ray_address else _processes_below(folder)
                auto_init_hook.enable_auto_connect = (
                    False  # else a thread of Ray Data that is still busy starts another
                )
                ray.shutdown()
                _joined_addresses.clear()
                _kill(children)
                resources.close()


def _processes_below(folder: Path) -> list[psutil.Process]:
    """The processes of the embedded Ray that has its files in a folder."""
    processes = []
    for child in psutil.Process().children():
        with suppress(psutil.Error):
            if any(str(folder) in word for word in child.cmdline()):
                processes += [child, *child.children(recursive=True)]
    return processes


def _kill(processes: Sequence[psutil.Process]) -> None:
    """Kill processes and wait for their end: Ray's workers would only notice its own some seconds later.

    Whether the system has forgotten them is not waited for: in a container, the first process may take a second to
    collect those whose parent has ended.
    """
    for process in processes:
        with suppress(psutil.Error):
            process.kill()
    deadline = time.monotonic() + _KILL_TIMEOUT_S
    while any(map(_is_alive, processes)) and time.monotonic() < deadline:
        time.sleep(_KILL_POLL_S)


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _connect(address: str, folder: Path) -> None:
    """Connect to a cluster. Raises UsageError when that fails."""
    _check_reachable(address)
    lines: list[bytes] = []
    try:
        with _captured_stderr(lines):
            _init(folder, address=address)
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        reason = " ".join(str(error).split())  # in a version mismatch, each version has its own line
        raise UsageError(
            f"--ray-address {address}: no Ray cluster can be joined there: {reason[:_MAX_REASON]}{_token_hint(lines)}"
        ) from error
    os.write(2, b"".join(lines))


def _token_hint(lines: Sequence[bytes]) -> str:
    """The part of a failed connection's message that is about tokens; only the log of Ray's core shows the cause.

    Args:
        lines: What Ray's core wrote to standard error while it connected.
    """
    if any(_NO_TOKEN in line for line in lines):
        return (
            ", as the cluster requires a different token than this process has; RAY_AUTH_MODE=token, and "
            "RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH, set one"
        )
    return "" if any(name in os.environ for name in _AUTH) else "; does it want a token (RAY_AUTH_MODE)?"


def _start_embedded(processes: int, with_data: bool, folder: Path) -> None:
    """Start a Ray that ends with this process and leaves no files behind.

    It gets its own token unless the environment configures tokens. Otherwise Ray would write one into the home folder,
    which may not exist, and that file would turn on tokens for every other Ray of this user.
    """
    if os.environ.get("RAY_ADDRESS"):
        _LOG.warning("RAY_ADDRESS is ignored, Ray starts on this machine: --ray-address names a cluster")
    if not any(name in os.environ for name in _AUTH):
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    settings = {n: value for n, value in {**_QUIET_EMBEDDED, **_ONE_NODE_SETTINGS}.items() if n not in os.environ}
    with (
        _environment({**settings, **(keep_freed_memory() if with_data else {})}),
        _without_log_level_line(),
        without_cluster_services(),
    ):
        _init(
            folder,
            address="local",
            num_cpus=max(usable_cores(), processes) + 1,
            include_dashboard=False,
            object_store_memory=_object_store_bytes(),
            _temp_dir=str(folder),
        )


def _init(folder: Path, **settings: Any) -> None:
    """Call `ray.init` in an empty folder, as Ray puts the current folder first on its workers' import path.

    A signal during the call waits for its end, which takes seconds: with Ray 2.60, an exception between the making of
    a client and its connection leaves the process for good in that client's destructor.

    Raises:
        KeyboardInterrupt: after a signal during the call.
    """
    with chdir(folder), kept_signal_handlers(), own_sigterm_handler(), held_back_signals():
        try:
            ray.init(**settings, logging_level=logging.ERROR, log_to_driver=False)
        except SystemExit as error:
            raise KeyboardInterrupt from error


def _set_up_data() -> None:
    from ray.data import DataContext

    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = True  # random draws depend on the order of items
    context.memory_usage_poll_interval_s = None  # polling reads the memory map of every worker each second


def _temp_dir() -> Path:
    """The folder for Ray's files and sockets; `/tmp` when the temporary folder's path is too long for sockets."""
    folder = Path(os.environ.get("RAY_TMPDIR") or tempfile.gettempdir())
    return folder if len(str(folder)) <= _MAX_TEMP_DIR else Path("/tmp")


@contextmanager
def _without_log_level_line() -> Iterator[None]:
    """Pass on standard error without the line in which Ray's core repeats its log level."""
    lines: list[bytes] = []
    try:
        with _captured_stderr(lines):
            yield
    finally:
        os.write(2, b"".join(line for line in lines if b"RAY_BACKEND_LOG_LEVEL" not in line))


@contextmanager
def _captured_stderr(lines: list[bytes]) -> Iterator[None]:
    """Capture the lines that are written to standard error inside the `with`, including those of Ray's C++ core."""
    with tempfile.TemporaryFile() as captured:
        descriptor = os.dup(2)
        os.dup2(captured.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(descriptor, 2)
            os.close(descriptor)
            captured.seek(0)
            lines += captured


@contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables inside the `with`, for the processes that are started there."""
    previous = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in previous.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def ray_is_running() -> bool:
    """Whether this process has a Ray that `ray_session` would use."""
    return bool(ray.is_initialized())


def _nodes() -> int:
    return sum(bool(node["Alive"]) for node in ray.nodes())


def gpu_count() -> int:
    """The number of GPUs that Ray has."""
    return int(ray.cluster_resources().get("GPU", 0))


def compute_cores(options: RayOptions) -> int:
    """The number of cores for Ray: the cluster's, or those of this machine that this process may use."""
    return int(ray.cluster_resources().get("CPU", 1)) if options.ray_address else usable_cores()


def memory_bytes() -> float:
    """The memory that Ray leaves to workers, on all machines, in bytes."""
    return float(ray.cluster_resources().get("memory", 0))


def wants_gpu(options: RayOptions) -> bool:
    """Whether the job runs on GPUs."""
    return options.device == "cuda" or (options.device == "auto" and gpu_count() > 0)


def check_workers(options: RayOptions, workers: int, device: str) -> None:
    """Raise UsageError when an embedded Ray has fewer GPUs than training workers; a cluster may still grow."""
    if device == "cuda" and not options.ray_address and workers > gpu_count():
        raise UsageError(f"--workers {workers}: each needs a GPU, and this machine has {gpu_count()}")


def _check_reachable(address: str) -> None:
    """Raise UsageError when nothing listens at HOST:PORT; Ray itself would retry for minutes."""
    if re.match(r"https?://", address):
        raise UsageError(
            f"--ray-address {address}: this is the address of a dashboard, which tagger submit takes; Ray's own is "
            "HOST:PORT, by default with port 6379"
        )
    match = re.fullmatch(r"(?:ray://)?(.+):(\d+)", address)
    if match is None:
        return
    try:
        socket.create_connection((match[1].strip("[]"), int(match[2])), timeout=_CONNECT_TIMEOUT_S).close()
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"--ray-address {address}: nothing answers there ({first_line(error)}); name the head node and Ray's own "
            "port, by default 6379"
        ) from error


def _check_gpus(options: RayOptions, reporter: Reporter) -> None:
    """Raise UsageError when an embedded Ray lacks the GPU that is asked for; a cluster may still get one."""
    if options.device != "cuda" or gpu_count():
        return
    if not options.ray_address:
        raise UsageError("--device cuda: Ray has no GPU here; take --device cpu, or a cluster with GPUs")
    reporter.warn("--device cuda: the cluster has no GPU yet; waiting until it adds a node with one")


def _object_store_bytes() -> int:
    """The object store's size: a quarter of the memory, limited by shared memory, but at least 256 MiB."""
    shared = os.statvfs("/dev/shm")
    return int(max(_GB // 4, min(usable_memory_bytes() // 4, shared.f_bavail * shared.f_frsize * 0.8)))
