"""Atomic writes to a local file system."""

import os
import re
import uuid
from pathlib import Path

import pyarrow as pa

_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{32}")


def temporary_name(name: str) -> str:
    """A hidden name for a file that is not `name` yet; `delete_temporaries` knows it."""
    return f".{name}.{uuid.uuid4().hex}"


def delete_temporaries(folder: Path) -> None:
    """Delete what processes that were killed left below a folder to which nobody writes any more."""
    for file in folder.rglob(".*"):
        if _TEMPORARY.fullmatch(file.name) and file.is_file():
            file.unlink(missing_ok=True)


def write_atomically(target: Path, data: bytes | pa.Buffer) -> None:
    """Write a file under a temporary name, flush it to the disk, and rename it. Raises OSError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(temporary_name(target.name))
    try:
        with temporary.open("wb") as out:
            out.write(memoryview(data))
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
