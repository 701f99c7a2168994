"""Many requests in flight, results in order, bytes within a budget."""

import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagger.flow.prefetch import map_in_order, prefetched


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 50), max_size=40), st.integers(1, 8), st.integers(1, 8), st.integers(1, 60), st.randoms()
)
def test_results_come_in_order_and_never_hold_more_than_the_budget_and_one_more(
    sizes: list[int], threads: int, ahead: int, budget: int, chance: object
) -> None:
    held = peak = 0
    lock = threading.Lock()

    def work(name: str, take: Callable[[int], None]) -> int:
        nonlocal held, peak
        size = sizes[int(name)]
        for attempt in range(2 if size % 3 == 0 else 1):  # some take twice, as a retried request does
            take(size)
            if attempt == 0:
                with lock:
                    held += size
                    peak = max(peak, held)
        return int(name)

    found = []
    with ThreadPoolExecutor(threads) as pool:
        for number in map_in_order(work, [str(i) for i in range(len(sizes))], pool, ahead, budget):
            found.append(number)
            with lock:
                held -= sizes[number]
    assert found == list(range(len(sizes)))
    assert peak <= budget + 2 * max(sizes, default=0)


def test_as_many_are_in_flight_as_asked() -> None:
    together = threading.Barrier(4, timeout=20)

    def work(name: str, take: Callable[[int], None]) -> str:
        together.wait()
        return name

    with ThreadPoolExecutor(4) as pool:
        assert "".join(map_in_order(work, "abcdefgh", pool, 4, 100)) == "abcdefgh"


def test_whoever_stops_early_leaves_nobody_waiting() -> None:
    def work(name: str, take: Callable[[int], None]) -> str:
        take(100)
        return name

    with ThreadPoolExecutor(4) as pool:
        results = map_in_order(work, "abcdefgh", pool, 4, 100)
        assert next(results) == "a"
        assert isinstance(results, Generator)
        results.close()  # leaving the pool would hang if a thread still waited for bytes


def test_what_is_read_ahead_is_one_ready_and_one_in_the_making() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for number in range(6):
            made.append(number)
            yield number

    taken = prefetched(items())
    assert next(taken) == 0
    time.sleep(0.2)
    assert made == [0, 1, 2]
    assert list(taken) == [1, 2, 3, 4, 5]


def test_what_is_raised_while_reading_ahead_comes_after_what_was_read() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise KeyError("gone")

    taken = prefetched(items())
    assert next(taken) == 1
    with pytest.raises(KeyError, match="gone"):
        next(taken)
