"""All GPUs get the same share of the batches, whatever the cluster, and a turn costs the same with many of them."""

import time
from collections import Counter

import pytest

from tagger.tagging.coordinator import Coordinator, State
from tagger.tagging.gpu_turns import Turns


def shares(turns: list[Turns], batches: int) -> Counter[int | None]:
    counts: Counter[int | None] = Counter()
    for turn in turns:
        counts.update(turn.next() for _ in range(batches))
    return counts


@pytest.mark.parametrize(("nodes", "gpus"), [(1, 8), (2, 8), (8, 8), (64, 8)])
@pytest.mark.parametrize("is_packed", [True, False])
def test_workers_beside_gpus_share_those_of_their_node_evenly(nodes: int, gpus: int, is_packed: bool) -> None:
    of_engine = [n for n in range(nodes) for _ in range(gpus)]
    if not is_packed:
        of_engine = [n for _ in range(gpus) for n in range(nodes)]
    turns = []
    for worker in range(nodes * 15):
        turns.append(Turns(worker % nodes))
        turns[-1].set_engines(of_engine, worker, nodes * 15)
    counts = shares(turns, 80)
    assert len(counts) == nodes * gpus
    assert max(counts.values()) < 1.05 * min(counts.values())
    called = {turns[0].next() for _ in range(100)}
    assert {of_engine[engine] for engine in called if engine is not None} == {0}, "no connection to another node"


@pytest.mark.parametrize(("engines", "workers"), [(4, 2), (7, 3), (8, 8), (16, 160), (64, 1024)])
def test_workers_without_gpus_share_out_all_of_them(engines: int, workers: int) -> None:
    of_engine = [n // 4 for n in range(engines)]
    turns = [Turns("a node without") for _ in range(workers)]
    for worker, turn in enumerate(turns):
        turn.set_engines(of_engine, worker, workers)
    counts = shares(turns, 840)
    assert len(counts) == engines, "none is idle"
    assert max(counts.values()) <= (1.05 if workers >= engines else 2) * min(counts.values())
    assert max(len({turn.next() for _ in range(100)}) for turn in turns) <= 4


def test_others_are_the_way_out_and_only_that() -> None:
    turns = Turns("here")
    turns.set_engines(["there", "here", "here", "there"])
    assert {turns.next() for _ in range(9)} == {1, 2}
    assert {turns.next(frozenset({1})) for _ in range(9)} == {2}
    assert {turns.next(frozenset({1, 2})) for _ in range(9)} == {0, 3}
    assert turns.next(frozenset({0, 1, 2, 3})) is None
    turns.set_engines([])
    assert turns.next() is None


def test_a_turn_costs_the_same_with_512_engines_as_with_8() -> None:
    spent = {}
    for nodes in (1, 64):
        turns = Turns(0)
        turns.set_engines([n for n in range(nodes) for _ in range(8)])
        times = []
        for _ in range(5):
            started = time.perf_counter()
            for _ in range(20_000):
                turns.next()
            times.append(time.perf_counter() - started)
        spent[nodes] = min(times)
    assert spent[64] < 3 * spent[1]


def test_workers_share_the_engines_among_those_that_have_asked_lately() -> None:
    now = [0.0]
    coordinator = Coordinator(clock=lambda: now[0])
    assert coordinator.state() == State(0, False, 0, ())
    coordinator.set_engines(1, ["first", "second"])
    assert coordinator.engines("a") == (["first", "second"], 0, 1)
    assert coordinator.engines("b") == (["first", "second"], 1, 2)
    now[0] = 50
    assert coordinator.engines("b")[1:] == (1, 2)
    now[0] = 70
    assert coordinator.engines("c")[1:] == (1, 2), "a has not asked for more than a minute"
    coordinator.suspect(3)
    assert coordinator.state() == State(0, False, 1, (3,))
    assert coordinator.state().suspects == ()
