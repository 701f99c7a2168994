"""Atomic writes to a local file system."""

import os
import uuid
from pathlib import Path

import pyarrow as pa


def write_atomically(target: Path, data: bytes | pa.Buffer) -> None:
    """Write a file under a temporary name, flush it to the disk, and rename it. Raises OSError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        with temporary.open("wb") as out:
            out.write(memoryview(data))
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
