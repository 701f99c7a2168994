"""Starts Ray inside the command, or joins a cluster."""

import logging
import os
import re
import secrets
import socket
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, chdir, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import ray
from ray._private import auto_init_hook

from tagger.allocator import keep_freed_memory
from tagger.cluster.local_paths import check_local_paths
from tagger.errors import UsageError
from tagger.io.location import first_line
from tagger.io.scratch import scratch_folder
from tagger.io.signals import held_back_signals, kept_signal_handlers
from tagger.machine import usable_cores, usable_memory_bytes
from tagger.reporter import LOG, Reporter
from tagger.schemas.configs.options import RayOptions

_LOG = logging.getLogger(__name__)
_GB = 2**30
_LONGEST_REASON = 400
_END_S = 5.0
_CONNECT_TIMEOUT_S = 10
KEEP_MONITORS = "TAGGER_KEEP_RAY_MONITORS"
"""Environment variable that leaves an embedded Ray its autoscaler and log monitor."""
_FOR_CLUSTERS = ("monitor.py", "log_monitor.py")
_QUIET = {
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_TRAIN_V2_ENABLED": "1",
    "RAY_DEDUP_LOGS": "1",
    "RAY_AIR_NEW_OUTPUT": "0",
}
_QUIET_EMBEDDED = {"RAY_BACKEND_LOG_LEVEL": "fatal"}
"""Its C++ core calls every end of an actor an error, on the terminal; what went wrong comes as an exception, too."""
_ONE_NODE = {"RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0", "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5"}
"""Nobody takes an embedded Ray's node away, so no process watches for it; and it costs little to see at once, rather
than within 2 s, that workers have started or are done."""
_AUTH = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
_NO_TOKEN = b"InvalidAuthToken"
"""What Ray's core writes where the cluster refuses this process's token, or that it has none."""
_joined: list[str] = []
"""The address of the cluster that this process has joined."""
_LONGEST_TEMPORARY = 26
"""Characters of the path that an embedded Ray's sockets may lie below: a socket's path has at most 107."""


@contextmanager
def ray_session(
    options: RayOptions, processes: int = 0, with_data: bool = False, reporter: Reporter = LOG
) -> Iterator[None]:
    """Have Ray for a while, on request with Ray Data; one that was running before is used and left running.

    With Ray Data, which training and what goes with it need, an embedded Ray's workers keep the memory that they free.

    An embedded Ray gets one logical CPU more than there are cores to use, or than `processes`: an actor pool that
    takes every CPU would leave none for the tasks that feed it.

    On several machines, paths of this one are said to the reporter.

    Raises:
        UsageError: when the cluster cannot be reached, GPUs are asked for where there are none, or a path is relative
            on several machines.
        KeyboardInterrupt: at its end, too, after a signal that came while Ray ended.
    """
    if ray.is_initialized():
        if options.ray_address not in (None, "local", "auto", *_joined):
            reporter.warn(f"--ray-address {options.ray_address} is ignored: this process has a Ray already")
        _check_gpus(options)
        check_local_paths(options, _nodes(), reporter)
        yield
        return
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    for name in ("ray", "ray.data", "ray.train", "ray.tune"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with ExitStack() as temporary:
        folder = temporary.enter_context(scratch_folder("tagger-ray-", _temporary_folder()))
        try:
            if options.ray_address:
                _join(options.ray_address, folder)
                _joined.append(options.ray_address)
            else:
                _embed(processes, with_data, folder)
            if with_data:
                _set_up_data()
            _check_gpus(options)
            check_local_paths(options, _nodes(), reporter)
            yield
        finally:
            with held_back_signals():
                started = [] if options.ray_address else _processes_below(folder)
                auto_init_hook.enable_auto_connect = (
                    False  # else a thread of Ray Data that is still busy starts another
                )
                ray.shutdown()
                _joined.clear()
                _end(started)
                temporary.close()


def _processes_below(folder: Path) -> list[psutil.Process]:
    """The processes of the embedded Ray whose files lie in a folder."""
    processes = []
    for child in psutil.Process().children():
        with suppress(psutil.Error):
            if any(str(folder) in word for word in child.cmdline()):
                processes += [child, *child.children(recursive=True)]
    return processes


def _end(processes: Sequence[psutil.Process]) -> None:
    """Have processes ended: Ray lets its workers notice by themselves that it is gone, some seconds later."""
    for process in processes:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(processes, _END_S)


def _join(address: str, folder: Path) -> None:
    """Connect to a cluster. Raises UsageError when that fails."""
    _check_reachable(address)
    lines: list[bytes] = []
    try:
        with _standard_error_kept(lines):
            _init(folder, address=address)
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        reason = " ".join(str(error).split())  # of two versions, each stands on a line of its own
        raise UsageError(
            f"--ray-address {address}: no Ray cluster can be joined there: {reason[:_LONGEST_REASON]}"
            f"{_about_tokens(lines)}"
        ) from error
    os.write(2, b"".join(lines))


def _about_tokens(lines: Sequence[bytes]) -> str:
    """What a failure to connect has to do with tokens; only Ray's core says so, line after line.

    Args:
        lines: What it wrote to standard error meanwhile.
    """
    if any(_NO_TOKEN in line for line in lines):
        return (
            ", as the cluster asks for another token than this process has; RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or "
            "RAY_AUTH_TOKEN_PATH, set one"
        )
    return "" if any(name in os.environ for name in _AUTH) else "; does it want a token (RAY_AUTH_MODE)?"


def _embed(processes: int, with_data: bool, folder: Path) -> None:
    """Start a Ray that ends with this process, and leaves nothing behind.

    It has a token of its own, where the environment says nothing of tokens: Ray would keep one in the home folder,
    which there may not be, and which would turn tokens on for every other Ray of this user.
    """
    if os.environ.get("RAY_ADDRESS"):
        _LOG.warning("RAY_ADDRESS is ignored, Ray starts on this machine: --ray-address names a cluster")
    if not any(name in os.environ for name in _AUTH):
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    settings = {n: value for n, value in {**_QUIET_EMBEDDED, **_ONE_NODE}.items() if n not in os.environ}
    with _environment({**settings, **(keep_freed_memory() if with_data else {})}), _without_note_of_log_level():
        _init(
            folder,
            address="local",
            num_cpus=max(usable_cores(), processes) + 1,
            include_dashboard=False,
            object_store_memory=_object_store_bytes(),
            _temp_dir=str(folder),
        )
    if not os.environ.get(KEEP_MONITORS):
        _end_what_only_clusters_need(folder)


def _init(folder: Path, **settings: Any) -> None:
    """`ray.init` from within an empty folder: Ray puts the current one before all others that workers import from.

    Signals do what they did before: Ray sets handlers of its own.

    Raises:
        KeyboardInterrupt: at a SIGTERM meanwhile.
    """
    with chdir(folder), kept_signal_handlers():
        try:
            ray.init(**settings, logging_level=logging.ERROR, log_to_driver=False)
        except SystemExit as ended:
            raise KeyboardInterrupt from ended


def _set_up_data() -> None:
    from ray.data import DataContext

    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = True  # what a seed draws is of items in one order
    context.memory_usage_poll_interval_s = None  # it reads the whole memory map of every worker each second


def _temporary_folder() -> Path:
    """Where Ray's files and sockets lie; `/tmp` where the temporary folder's path is too long for a socket's."""
    folder = Path(os.environ.get("RAY_TMPDIR") or tempfile.gettempdir())
    return folder if len(str(folder)) <= _LONGEST_TEMPORARY else Path("/tmp")


def _end_what_only_clusters_need(folder: Path) -> None:
    """End Ray's autoscaler and log monitor: an embedded Ray never gets a node, and nobody reads its stream of logs.

    Ray has no switch for them. On two cores with Ray 2.60 this saves 160 MB of memory and a second at the end, in
    which the autoscaler calls a server that is gone (0.3 s in place of 1.4 s); in CPU it saves nothing to speak of.
    Only children that this Ray started are looked at: their command lines name its folder.
    """
    for child in psutil.Process().children():
        with suppress(psutil.Error):
            words = child.cmdline()
            if any(Path(word).name in _FOR_CLUSTERS for word in words) and any(str(folder) in word for word in words):
                child.kill()


@contextmanager
def _without_note_of_log_level() -> Iterator[None]:
    """Pass on what is written to standard error, without the line in which Ray's core repeats its log level."""
    lines: list[bytes] = []
    try:
        with _standard_error_kept(lines):
            yield
    finally:
        os.write(2, b"".join(line for line in lines if b"RAY_BACKEND_LOG_LEVEL" not in line))


@contextmanager
def _standard_error_kept(lines: list[bytes]) -> Iterator[None]:
    """Add the lines that are written to standard error meanwhile, by Ray's core, too, in place of showing them."""
    with tempfile.TemporaryFile() as written:
        descriptor = os.dup(2)
        os.dup2(written.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(descriptor, 2)
            os.close(descriptor)
            written.seek(0)
            lines += written


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


def _nodes() -> int:
    return sum(bool(node["Alive"]) for node in ray.nodes())


def gpus() -> int:
    """GPUs that Ray has."""
    return int(ray.cluster_resources().get("GPU", 0))


def compute_cores(options: RayOptions) -> int:
    """Cores that Ray computes on: the cluster's, or those of this machine that this process may use."""
    return int(ray.cluster_resources().get("CPU", 1)) if options.ray_address else usable_cores()


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
    """Raise UsageError when nothing listens at HOST:PORT; Ray itself would try for minutes."""
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


def _check_gpus(options: RayOptions) -> None:
    if options.device == "cuda" and not gpus():
        raise UsageError("--device cuda: Ray has no GPU here; take --device cpu, or a cluster with GPUs")


def _object_store_bytes() -> int:
    """A quarter of the memory, at least what a small job needs, at most what shared memory holds."""
    shared = os.statvfs("/dev/shm")
    return int(max(_GB // 4, min(usable_memory_bytes() // 4, shared.f_bavail * shared.f_frsize * 0.8)))
