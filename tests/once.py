"""What all processes of a test run share: made by the first that needs it, read by the others."""

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


class Once:
    """Folders that are made once in a test run, whatever its number of processes. Nobody changes what lies there."""

    def __init__(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        base = tmp_path_factory.getbasetemp()
        self._root = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def __call__(self, name: str, make: Callable[[Path], None]) -> Path:
        """The folder of that name, which `make` has filled; another process waits for it meanwhile."""
        folder, done = self._root / name, self._root / f"{name}.done"
        with (self._root / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)  # what a failure has left
                folder.mkdir()
                make(folder)
                done.touch()
        return folder
