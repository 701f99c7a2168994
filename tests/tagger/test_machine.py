import os
import subprocess
import sys
from pathlib import Path

import pytest

from tagger.machine import threads_of_environment, usable_cores, usable_memory_bytes
from tests.control_groups import control_groups

PHYSICAL = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
CORES = len(os.sched_getaffinity(0))
MIB = 2**20


def tree(root: Path, groups: str, files: dict[str, str]) -> Path:
    """A `proc` and a `sys` in which this process is in these control groups."""
    for name, text in {"proc/self/cgroup": groups, **{f"sys/fs/cgroup/{n}": t for n, t in files.items()}}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text + "\n")
    return root


@pytest.mark.parametrize(("quota", "cores"), [("50000 100000", 1), ("100000 100000", 1), ("max 100000", CORES)])
def test_a_container_of_version_2_has_the_cores_of_its_quota(tmp_path: Path, quota: str, cores: int) -> None:
    assert usable_cores(tree(tmp_path, "0::/", {"cpu.max": quota})) == cores


@pytest.mark.parametrize(("quota", "cores"), [("50000", 1), ("150000", 1), ("-1", CORES)])
def test_a_container_of_version_1_has_the_cores_of_its_quota(tmp_path: Path, quota: str, cores: int) -> None:
    """The group's path is the host's, and is not seen within the container."""
    files = {"cpu/cpu.cfs_quota_us": quota, "cpu/cpu.cfs_period_us": "100000"}
    root = tree(tmp_path, "5:cpuset:/docker/a1\n4:cpu,cpuacct:/docker/a1\n3:memory:/docker/a1", files)
    assert usable_cores(root) == cores


def test_whole_cores_of_a_quota_count_and_no_more_than_the_affinity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))
    assert usable_cores(tree(tmp_path, "0::/", {"cpu.max": "350000 100000"})) == 3
    assert usable_cores(tree(tmp_path, "0::/", {"cpu.max": "3200000 100000"})) == 16


def test_memory_is_that_of_the_container_in_both_versions(tmp_path: Path) -> None:
    second = tree(tmp_path / "2", "0::/", {"memory.max": str(512 * MIB)})
    first = tree(tmp_path / "1", "3:memory:/docker/a1", {"memory/memory.limit_in_bytes": str(256 * MIB)})
    assert (usable_memory_bytes(second), usable_memory_bytes(first)) == (512 * MIB, 256 * MIB)


@pytest.mark.parametrize("limit", ["max", "9223372036854771712"])
def test_memory_without_a_limit_is_the_machines(tmp_path: Path, limit: str) -> None:
    assert usable_memory_bytes(tree(tmp_path, "0::/", {"memory.max": limit})) == PHYSICAL


def test_a_limit_of_a_group_around_this_one_holds_too(tmp_path: Path) -> None:
    """As of a slice in which systemd runs a service."""
    limits = {"shop.slice/memory.max": str(512 * MIB), "shop.slice/night.service/memory.max": "max"}
    root = tree(tmp_path, "0::/shop.slice/night.service", limits | {"other.slice/memory.max": str(MIB)})
    assert usable_memory_bytes(root) == 512 * MIB


def test_without_control_groups_the_machine_is_taken(tmp_path: Path) -> None:
    assert (usable_cores(tmp_path), usable_memory_bytes(tmp_path)) == (CORES, PHYSICAL)


def test_real_control_groups_are_obeyed() -> None:
    code = "from tagger.machine import *; print(usable_cores(), usable_memory_bytes())"
    with control_groups(cores=0.5, memory_bytes=512 * MIB) as enter:
        command = [sys.executable, "-c", f"{enter}\n{code}"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", str(512 * MIB)]


@pytest.mark.parametrize(("said", "threads"), [("3", 3), ("4,2", 4), ("0", 1), ("", None), ("many", None)])
def test_the_threads_of_a_computation_are_the_environments(
    monkeypatch: pytest.MonkeyPatch, said: str, threads: int | None
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert threads_of_environment() == threads
