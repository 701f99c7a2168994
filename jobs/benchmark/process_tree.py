"""Measures the memory of a command and its child processes, by kind."""

import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

_EVERY_S = 0.5  # a sample costs some milliseconds of the CPU that is being measured
_PROC = Path("/proc")


@dataclass
class PeakMemory:
    """Peak private memory (without shared pages) of any process of a kind, bytes."""

    driver: int = 0
    worker: int = 0
    by_name: dict[str, int] = field(default_factory=dict)


def run_measured(
    command: Sequence[str], variables: Mapping[str, str] | None = None
) -> tuple[subprocess.CompletedProcess[str], PeakMemory]:
    """Run a command and watch the memory of its processes. Linux only; elsewhere the memory stays 0.

    Args:
        command: Program and arguments.
        variables: Added to the environment.
    """
    environment = {**os.environ, **(variables or {})}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    peak = PeakMemory()
    ended = threading.Event()
    watcher = threading.Thread(target=_watch, args=(process.pid, peak, ended), daemon=True)
    watcher.start()
    out, err = process.communicate()
    ended.set()
    watcher.join()
    return subprocess.CompletedProcess(command, process.returncode, out, err), peak


def _watch(root: int, peak: PeakMemory, ended: threading.Event) -> None:
    while not ended.wait(_EVERY_S):
        for pid, name in tree_of(root).items():
            size = _own_bytes(pid)
            peak.by_name[name] = max(peak.by_name.get(name, 0), size)
            if pid == root:
                peak.driver = max(peak.driver, size)
            elif name.startswith("ray::"):
                peak.worker = max(peak.worker, size)


def tree_of(root: int) -> dict[int, str]:
    """Names of a process and all its descendants, by process id."""
    names: dict[int, str] = {}
    with suppress(psutil.Error):
        top = psutil.Process(root)
        for process in (top, *top.children(recursive=True)):
            with suppress(psutil.Error):
                names[process.pid] = " ".join(process.cmdline()).partition(" ")[0]
    return names


def _own_bytes(pid: int) -> int:
    try:
        lines = (_PROC / str(pid) / "status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("RssAnon", "RssFile")))
