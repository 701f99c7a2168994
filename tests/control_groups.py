"""Real control groups, as a container has them; only root may make them."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_MOUNT = Path("/sys/fs/cgroup")
_PERIOD_US = 100_000


@contextmanager
def control_groups(cores: float, memory_bytes: int) -> Iterator[str]:
    """Have groups with limits, of whichever version this machine has; yield Python code that enters them.

    The test is skipped where they cannot be made.
    """
    made: list[Path] = []
    try:
        try:
            for folder, limits in _groups(round(cores * _PERIOD_US), memory_bytes).items():
                folder.mkdir()
                made.append(folder)
                for file, limit in limits.items():
                    (folder / file).write_text(limit)
        except OSError as error:
            pytest.skip(f"control groups cannot be made here: {error}")
        files = [str(folder / "cgroup.procs") for folder in made]
        yield f"import os\nfor file in {files}: open(file, 'w').write(str(os.getpid()))"
    finally:
        for folder in made:
            folder.rmdir()


def _groups(quota_us: int, memory_bytes: int) -> dict[Path, dict[str, str]]:
    name = f"tagger-{uuid.uuid4().hex}"
    if (_MOUNT / "cgroup.controllers").exists():
        return {_MOUNT / name: {"cpu.max": f"{quota_us} {_PERIOD_US}", "memory.max": str(memory_bytes)}}
    return {
        _MOUNT / "cpu" / name: {"cpu.cfs_quota_us": str(quota_us)},
        _MOUNT / "memory" / name: {"memory.limit_in_bytes": str(memory_bytes)},
    }
