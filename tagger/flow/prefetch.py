"""Prefetching: many requests in flight, results in order, and no more bytes in memory than a budget."""

import queue
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from threading import Condition, Event, Thread
from typing import Generic, TypeVar

Name = TypeVar("Name")
Result = TypeVar("Result")


@dataclass(frozen=True)
class _Item(Generic[Result]):
    value: Result


@dataclass(frozen=True)
class _End:
    error: BaseException | None


class ByteBudget:
    """A semaphore over bytes. The next request in order always gets its bytes, so that there is no deadlock."""

    def __init__(self, size: int) -> None:
        self._free = size
        self._next = 0
        self._changed = Condition()

    def acquire(self, number: int, size: int) -> None:
        """Wait until `size` bytes are free, or until `number` is the next in order."""
        with self._changed:
            self._changed.wait_for(lambda: self._free >= size or number <= self._next)
            self._free -= size

    def try_acquire(self, number: int, size: int) -> bool:
        """Acquire `size` bytes if they are free or `number` is the next in order; return whether."""
        with self._changed:
            if self._free < size and number > self._next:
                return False
            self._free -= size
            return True

    def release(self, size: int) -> None:
        """Release bytes."""
        with self._changed:
            self._free += size
            self._changed.notify_all()

    def set_next(self, number: int) -> None:
        """Set the number of the next request in order."""
        with self._changed:
            self._next = number
            self._changed.notify_all()


class Reservation:
    """The bytes of a budget that one request holds. Called with a size, it waits until the budget has so many."""

    def __init__(self, budget: ByteBudget, number: int) -> None:
        self._budget = budget
        self._number = number
        self.size = 0

    def __call__(self, size: int) -> None:
        """Hold `size` bytes in all; wait until they are free."""
        self._budget.acquire(self._number, size - self.size)
        self.size = size

    def try_resize(self, size: int) -> bool:
        """Hold `size` bytes in all if that needs no waiting; return whether."""
        if not self._budget.try_acquire(self._number, size - self.size):
            return False
        self.size = size
        return True


def map_in_order(
    work: Callable[[Name, Reservation], Result],
    names: Sequence[Name],
    pool: Executor,
    limit: int,
    budget_bytes: int,
) -> Iterator[Result]:
    """Call a function for each name in a pool, and yield the results in order.

    Args:
        work: Takes a name and a reservation, which it calls with a size before it reads so many bytes into memory.
        names: Its arguments.
        pool: Threads that call it.
        limit: Most results that are in the making, or done and not yet yielded.
        budget_bytes: Most bytes of those; a single result may exceed it.
    """
    budget = ByteBudget(budget_bytes)
    pending: deque[tuple[Reservation, Future[Result]]] = deque()
    try:
        for number in range(len(names)):
            while len(pending) < min(limit, len(names) - number):
                reservation = Reservation(budget, number + len(pending))
                pending.append((reservation, pool.submit(work, names[number + len(pending)], reservation)))
            budget.set_next(number)
            reservation, future = pending.popleft()
            result = future.result()
            budget.release(reservation.size)
            yield result
    finally:
        budget.set_next(len(names))  # ends every wait for bytes
        for _, future in pending:
            future.cancel()


def prefetched(items: Iterator[Result]) -> Iterator[Result]:
    """Run an iterator in a background thread, which prepares the next two items while the current one is used.

    An exception of the iterator is raised to the caller.
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

    Thread(target=run, name="prefetch", daemon=True).start()
    try:
        while isinstance(entry := ready.get(), _Item):
            yield entry.value
        if entry.error is not None:
            raise entry.error
    finally:
        stopped.set()
        while not ready.empty():
            ready.get_nowait()
