"""Temporary folders: the next process deletes those that a killed one left behind; a full disk names the folder."""

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tagger.errors import WriteError

_HELD = ".held"
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}


@contextmanager
def scratch_folder(prefix: str, parent: Path | None = None) -> Iterator[Path]:
    """Create an empty folder, and delete it with its content at the end.

    A lock marks the folder as in use until this process ends, however it ends. Unlocked folders with the same prefix
    are deleted first.

    Args:
        prefix: Of the folder's name.
        parent: Where to create it; None for the temporary folder.

    Raises:
        WriteError: when there is no room for it.
    """
    parent = parent or Path(tempfile.gettempdir())
    _sweep(parent, prefix)
    with naming_full_folder(parent):
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        held = _lock(folder / _HELD, os.O_CREAT)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if held is not None:
            os.close(held)


@contextmanager
def naming_full_folder(folder: Path | None = None) -> Iterator[None]:
    """Name the full folder and the way out in errors about a full disk.

    Args:
        folder: Where files are written meanwhile; None for the temporary folder.

    Raises:
        WriteError: in place of an OSError about room.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise full_folder(folder or Path(tempfile.gettempdir()), str(error.strerror)) from error


def full_folder(folder: Path, reason: str) -> WriteError:
    """The error of a folder for temporary files that has no room."""
    return WriteError(f"{folder} has no room for temporary files: {reason}; make room, or name another with TMPDIR")


def check_room(folder: Path, size: int) -> None:
    """Raise WriteError unless a file of so many bytes can be written to a folder."""
    with naming_full_folder(folder), tempfile.TemporaryFile(dir=folder) as file:
        os.posix_fallocate(file.fileno(), 0, max(1, size))


def _sweep(parent: Path, prefix: str) -> None:
    """Delete unlocked folders; one without a lock file is being created, or is not ours."""
    for folder in parent.glob(f"{prefix}*"):
        with suppress(OSError):
            held = _lock(folder / _HELD)
            if held is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(held)


def _lock(file: Path, create: int = 0) -> int | None:
    """Lock a file until it is closed; None when another process has locked it."""
    descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC | create, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
