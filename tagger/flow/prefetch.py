"""Reading ahead: many requests in flight, results in order, and no more bytes in memory than a budget."""

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

    def take_at_once(self, number: int, size: int) -> bool:
        """Take `size` bytes if they are free or `number` is the next in order; say whether."""
        with self._changed:
            if self._free < size and number > self._next:
                return False
            self._free -= size
            return True

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


class Share:
    """The bytes that one piece of work holds of a budget. Called with a size, it waits until so many may be held."""

    def __init__(self, budget: ByteBudget, number: int) -> None:
        self._budget = budget
        self._number = number
        self.size = 0

    def __call__(self, size: int) -> None:
        """Hold `size` bytes in place of those held so far, once they are free."""
        self._budget.take(self._number, size - self.size)
        self.size = size

    def at_once(self, size: int) -> bool:
        """Hold `size` bytes in place of those held so far if that needs no waiting; say whether."""
        if not self._budget.take_at_once(self._number, size - self.size):
            return False
        self.size = size
        return True


def in_order(
    work: Callable[[Name, Share], Result],
    names: Sequence[Name],
    pool: Executor,
    ahead: int,
    budget_bytes: int,
) -> Iterator[Result]:
    """Do work on names in a pool, `ahead` of them at a time, and yield the results in order.

    Args:
        work: Takes a name and a share to call with a number of bytes before it reads so many into memory.
        names: What to work on.
        pool: Threads that do it.
        ahead: Most names that are worked on, or done and not yet yielded.
        budget_bytes: Most bytes of those, one result's more at the most.
    """
    budget = ByteBudget(budget_bytes)
    waiting: deque[tuple[Share, Future[Result]]] = deque()
    try:
        for number in range(len(names)):
            while len(waiting) < min(ahead, len(names) - number):
                share = Share(budget, number + len(waiting))
                waiting.append((share, pool.submit(work, names[number + len(waiting)], share)))
            budget.next_is(number)
            share, future = waiting.popleft()
            result = future.result()
            budget.give_back(share.size)
            yield result
    finally:
        budget.next_is(len(names))  # whoever still waits for bytes is let go
        for _, future in waiting:
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
