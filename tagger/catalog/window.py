"""Reading ahead: many requests in flight, results in order, and no more bytes in memory than a budget."""

import queue
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from threading import Condition, Event, Thread
from typing import Generic, TypeVar

Result = TypeVar("Result")


@dataclass(frozen=True)
class _Item(Generic[Result]):
    value: Result


@dataclass(frozen=True)
class _End:
    error: BaseException | None


class ByteBudget:
    """How many bytes may be held at once. Whoever is next in order may always go on, so that nobody waits for ever."""

    def __init__(self, size: int) -> None:
        self._free = size
        self._next = 0
        self._changed = Condition()

    def take(self, number: int, size: int) -> None:
        """Wait until `size` bytes are free, or until `number` is the next in order."""
        with self._changed:
            self._changed.wait_for(lambda: self._free >= size or number <= self._next)
            self._free -= size

    def give_back(self, size: int) -> None:
        """Let bytes go."""
        with self._changed:
            self._free += size
            self._changed.notify_all()

    def next_is(self, number: int) -> None:
        """Say who is next in order."""
        with self._changed:
            self._next = number
            self._changed.notify_all()


def in_order(
    work: Callable[[str, Callable[[int], None]], Result],
    names: Sequence[str],
    pool: Executor,
    ahead: int,
    budget_bytes: int,
) -> Iterator[Result]:
    """Do work on names in a pool, `ahead` of them at a time, and yield the results in order.

    Args:
        work: Takes a name and a function to call with a number of bytes before it reads so many into memory.
        names: What to work on.
        pool: Threads that do it.
        ahead: Most names that are worked on, or done and not yet yielded.
        budget_bytes: Most bytes of those, one result's more at the most.
    """
    budget = ByteBudget(budget_bytes)
    sizes = [0] * len(names)

    def start(number: int) -> "Future[Result]":
        def take(size: int) -> None:
            budget.take(number, size - sizes[number])
            sizes[number] = size

        return pool.submit(work, names[number], take)

    waiting: deque[Future[Result]] = deque()
    try:
        for number in range(len(names)):
            while len(waiting) < min(ahead, len(names) - number):
                waiting.append(start(number + len(waiting)))
            budget.next_is(number)
            result = waiting.popleft().result()
            budget.give_back(sizes[number])
            yield result
    finally:
        budget.next_is(len(names))  # whoever still waits for bytes is let go
        for future in waiting:
            future.cancel()


def ahead(items: Iterator[Result]) -> Iterator[Result]:
    """Run an iterator in a thread of its own: one item is ready and one in the making while the last is used.

    What the iterator raises is raised here.
    """
    ready: queue.Queue[_Item[Result] | _End] = queue.Queue(maxsize=1)
    stopped = Event()

    def run() -> None:
        error: BaseException | None = None
        try:
            for item in items:
                ready.put(_Item(item))
                if stopped.is_set():
                    return
        except BaseException as raised:  # noqa: BLE001 - raised in the thread that takes the items
            error = raised
        ready.put(_End(error))

    Thread(target=run, name="ahead", daemon=True).start()
    try:
        while isinstance(taken := ready.get(), _Item):
            yield taken.value
        if taken.error is not None:
            raise taken.error
    finally:
        stopped.set()
        while not ready.empty():
            ready.get_nowait()
