"""How many workers a run gets, and what happens when some are lost."""

import os
import signal
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

import pytest
import ray

from tagger.errors import InputError, TaggerError
from tagger.io.location import Location
from tagger.machine import usable_cores
from tagger.tagging.crashes import Crashes
from tagger.tagging.worker_pool import WorkerPool, Workers, fit_into, fit_workers

pytestmark = pytest.mark.usefixtures("embedded_ray")
ROWS = 9
CORES = usable_cores()


def test_a_machine_gets_a_worker_a_core_and_never_more_than_there_are_shards() -> None:
    assert fit_workers(False, (0, 0), 1000, may_grow=False) == Workers(CORES, CORES)
    assert fit_workers(False, (0, 0), 1, may_grow=False) == Workers(1, 1)


def test_a_cluster_begins_with_what_fits_and_may_grow() -> None:
    growing = fit_workers(False, (0, 0), 1000, may_grow=True)
    assert growing == Workers(CORES, 1000, with_the_cluster=True), "one for each part, if nodes come for them"
    assert str(growing) == f"workers: {CORES}, and more if the cluster grows"
    assert str(fit_workers(False, (0, 0), CORES, may_grow=True)) == f"workers: {CORES}"


def test_a_range_that_was_asked_for_is_kept() -> None:
    assert fit_workers(False, (3, 3), 1000, may_grow=False) == Workers(3, 3)
    assert fit_workers(False, (1, 64), 1000, may_grow=True) == Workers(CORES, 64)
    assert fit_workers(False, (8, 64), 5, may_grow=True) == Workers(5, 5)
    assert str(fit_workers(False, (8, 64), 50, may_grow=True)) == "workers: 8 to 50"


class Writer:
    """Writes a file a shard, and the first `kills` times that it comes to shard 3 its process dies instead.

    Rows of `deadly` end it, too, each time they are looked at; their digest is their number, but row 7's is unreadable.
    """

    def __init__(self, folder: Path, kills: int, start: bool = True, deadly: Sequence[int] = ()) -> None:
        if not start:
            os.kill(os.getpid(), signal.SIGKILL)
        self._folder = folder
        self._kills = kills
        self._deadly = deadly

    def ready(self) -> None:
        pass

    def tag(self, number: int, crashes: Crashes = Crashes()) -> None:  # noqa: B008 - it cannot be changed
        self.try_images(number, 0, ROWS, crashes)
        before = len(list(self._folder.glob("killed-*")))
        if number == 3 and before < self._kills:
            (self._folder / f"killed-{before}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if number == 99:
            raise InputError("shard 99 is not to be had")
        with (self._folder / f"shard-{number}").open("a") as file:
            file.write("x")

    def try_images(self, number: int, first: int, end: int, crashes: Crashes) -> None:
        for row in set(range(first, end)) - crashes.images_of(number):
            if row in self._deadly and bytes([row]) not in crashes.digests:
                os.kill(os.getpid(), signal.SIGSEGV)

    def digest(self, number: int, row: int) -> bytes:
        if row == 7:
            os.kill(os.getpid(), signal.SIGKILL)
        return bytes([row])


def work(make: Callable[[], object], shards: list[int], folder: Path) -> None:
    pool = WorkerPool(make, shards, Workers(first=1, most=2), lambda shard: ROWS, Location(str(folder)))
    while not pool.is_done:
        pool.wait(1.0)


def writer(folder: Path, kills: int = 0, start: bool = True, deadly: Sequence[int] = ()) -> Callable[[], object]:
    actor = ray.remote(num_cpus=0, max_restarts=0)(Writer)
    return lambda: actor.remote(folder, kills, start, deadly)


def test_every_shard_is_done_once_by_workers_that_become_more(tmp_path: Path) -> None:
    work(writer(tmp_path), list(range(7)), tmp_path)
    assert {f.name: f.read_text() for f in tmp_path.iterdir()} == {f"shard-{n}": "x" for n in range(7)}


def test_workers_are_no_more_than_cores_memory_and_shards() -> None:
    machine = {"CPU": 17.0, "memory": 20e9, "GPU": 2.0}
    assert (fit_into(machine, "CPU", 100), fit_into(machine, "CPU", 3), fit_into(machine, "GPU", 100)) == (16, 3, 2)
    assert fit_into({"CPU": 17.0, "memory": 3e9}, "CPU", 100) == 5, "a container of 16 cores and little memory"
    assert fit_into({"CPU": 1.0, "memory": 1e8}, "CPU", 100) == 1


def test_a_lost_workers_shards_are_done_by_another(tmp_path: Path) -> None:
    work(writer(tmp_path, kills=2), list(range(7)), tmp_path)
    assert {f.name for f in tmp_path.glob("shard-*")} == {f"shard-{n}" for n in range(7)}
    assert len(list(tmp_path.glob("killed-*"))) == 2


class LostAfterwards(Writer):
    """Its process dies between a shard's file and the answer."""

    def tag(self, number: int, crashes: Crashes = Crashes()) -> None:  # noqa: B008 - it cannot be changed
        super().tag(number, crashes)
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_part_that_a_lost_worker_has_written_is_not_written_again(tmp_path: Path) -> None:
    actor = ray.remote(num_cpus=0, max_restarts=0)(LostAfterwards)
    pool = WorkerPool(
        lambda: actor.remote(tmp_path, 0), [1, 2], Workers(1, 1), has_part=lambda n: (tmp_path / f"shard-{n}").exists()
    )
    while not pool.is_done:
        pool.wait(1.0)
    assert [(tmp_path / f"shard-{n}").read_text() for n in (1, 2)] == ["x", "x"]


def test_images_that_end_workers_are_found_and_the_run_goes_on_without_them(tmp_path: Path) -> None:
    work(writer(tmp_path, deadly=[2, 7]), [1], tmp_path)
    assert (tmp_path / "shard-1").read_text() == "x"
    assert Crashes.read(Location(str(tmp_path))) == Crashes(frozenset({b"\2"}), frozenset({(1, 7)}))


def test_a_run_that_goes_on_knows_the_images_that_end_workers(tmp_path: Path) -> None:
    Crashes(frozenset({b"\2"})).write(Location(str(tmp_path)))
    actor = ray.remote(num_cpus=0, max_restarts=0)(Writer).remote(tmp_path, 0, True, [2])
    work(lambda: actor, [4], tmp_path)  # the one worker that there is lives through it
    assert (tmp_path / "shard-4").exists()


def test_a_shard_that_kills_every_worker_but_by_no_image_ends_the_run_and_is_named(tmp_path: Path) -> None:
    with pytest.raises(TaggerError, match=r"lost again and again over part 3, .* the same command goes on"):
        work(writer(tmp_path, kills=99), [3], tmp_path)


def test_workers_that_never_start_end_the_run(tmp_path: Path) -> None:
    with pytest.raises(TaggerError, match=r"4 workers were lost while they started"):
        work(writer(tmp_path, start=False), [1], tmp_path)


def test_workers_that_are_lost_while_they_start_end_nothing_as_long_as_others_start(tmp_path: Path) -> None:
    actor, made = ray.remote(num_cpus=0, max_restarts=0)(Writer), count()
    work(lambda: actor.remote(tmp_path, 0, next(made) % 3 == 2), list(range(12)), tmp_path)
    assert len(list(tmp_path.glob("shard-*"))) == 12


def test_a_node_that_is_lost_with_many_starting_workers_ends_nothing(tmp_path: Path) -> None:
    actor, made = ray.remote(num_cpus=0, max_restarts=0)(Writer), count()
    pool = WorkerPool(
        lambda: actor.remote(tmp_path, 0, next(made) >= 6),
        [1],
        Workers(6, 6),
        lambda shard: ROWS,
        Location(str(tmp_path)),
    )
    while not pool.is_done:
        pool.wait(1.0)
    assert (tmp_path / "shard-1").exists()


def test_what_a_worker_raises_is_raised_in_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^shard 99 is not to be had$"):
        work(writer(tmp_path), [99], tmp_path)
