"""Temporary folders that a kill leaves behind are swept by the next process that makes one."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_HELD = ".held"


@contextmanager
def scratch_folder(prefix: str, parent: Path | None = None) -> Iterator[Path]:
    """Have an empty folder for a while, which is deleted with all in it.

    The folder is held by a lock that ends with this process, however it ends. Those of the same prefix that nobody
    holds any more are deleted first.

    Args:
        prefix: Of the folder's name.
        parent: Where it lies; None for the temporary folder.
    """
    parent = parent or Path(tempfile.gettempdir())
    _sweep(parent, prefix)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    held = _lock(folder / _HELD, os.O_CREAT)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if held is not None:
            os.close(held)


def _sweep(parent: Path, prefix: str) -> None:
    """Delete the folders that no process holds; one without a lock file is just being made, or not ours."""
    for folder in parent.glob(f"{prefix}*"):
        with suppress(OSError):
            held = _lock(folder / _HELD)
            if held is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(held)


def _lock(file: Path, create: int = 0) -> int | None:
    """Lock a file until it is closed; None when another process has it."""
    descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC | create, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
