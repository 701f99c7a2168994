"""What this process may use of its machine: cores and memory, in a container no more than its limits."""

import getpass
import os
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/")
_CONTROL_GROUPS = "sys/fs/cgroup"


def usable_cores(root: Path = _ROOT) -> int:
    """Cores that this process may compute on, at least 1: its affinity, and the whole cores of its CPU quota.

    Python knows the affinity only (`os.process_cpu_count`), joblib the quota of the outermost control group only.

    Args:
        root: Where `proc` and `sys` are looked for.
    """
    quotas = [_quota(folder) for folder in _control_groups(root, "cpu")]
    return max(1, int(min([len(os.sched_getaffinity(0)), *(quota for quota in quotas if quota is not None)])))


def user_name(otherwise: str = "unknown") -> str:
    """The name of the user; in a container, this user may have none."""
    try:
        return os.environ.get("USER") or getpass.getuser()
    except (ImportError, KeyError, OSError):
        return otherwise


def threads_of_environment() -> int | None:
    """Threads of one computation that the user allows by OMP_NUM_THREADS, at least 1; None where it says nothing.

    A command asks before it starts Ray, which sets the variable in its own workers.
    """
    threads = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()  # the others are of nested loops
    return max(1, int(threads)) if threads.isdecimal() else None


def usable_memory_bytes(root: Path = _ROOT) -> int:
    """Memory that this process and its children may take: the machine's, or the limit of its container.

    Args:
        root: Where `proc` and `sys` are looked for.
    """
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [_memory_limit(folder) for folder in _control_groups(root, "memory")]
    return min([physical, *(limit for limit in limits if limit is not None)])


def _control_groups(root: Path, controller: str) -> Iterator[Path]:
    """The folders of this process's control group and of those around it, which may be limited, too.

    Both versions are looked at: version 2 has one tree, version 1 a tree for each controller. Within a container the
    group's path may be that of the host, which is not seen there; the limits then stand in the tree's root.
    """
    mount = root / _CONTROL_GROUPS
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        tree = mount / controller if controllers else mount
        group = tree / path.lstrip("/")
        yield from (folder for folder in (group, *group.parents) if folder == tree or tree in folder.parents)


def _quota(folder: Path) -> float | None:
    """Cores that a control group may use, as a fraction; None without a quota."""
    quota, _, period = _text(folder / "cpu.max").partition(" ")
    if not quota:
        quota, period = _text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us")
    if not quota.isdigit() or not period.isdigit():
        return None  # "max", or -1
    return int(quota) / int(period)


def _memory_limit(folder: Path) -> int | None:
    limit = _text(folder / "memory.max") or _text(folder / "memory.limit_in_bytes")
    return int(limit) if limit.isdigit() else None


def _text(file: Path) -> str:
    """A file's text; empty where there is none that can be read."""
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
