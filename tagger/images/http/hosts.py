"""The hosts that images are fetched from: few requests at a time to each, and pauses where one asks for them."""

import random
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import BoundedSemaphore, Lock

from tagger.images.http.circuit_breaker import BreakerLimits, CircuitBreaker

LONGEST_PAUSE_S = 60.0
_MOST_HOSTS = 256


class Host:
    """One host: a semaphore for requests in flight, the time before which it wants none, and whether it is dead."""

    def __init__(
        self,
        per_host: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        limits: BreakerLimits = BreakerLimits(),  # noqa: B008 - it is frozen
    ) -> None:
        self.breaker = CircuitBreaker(limits, clock)
        self._semaphore = BoundedSemaphore(per_host)
        self._not_before = 0.0
        self._clock = clock
        self._sleep = sleep

    def pause(self, seconds: float) -> None:
        """Begin no request for so many seconds, a minute at most: what `Retry-After` asks for."""
        self._not_before = max(self._not_before, self._clock() + min(seconds, LONGEST_PAUSE_S))

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Wait until a request may begin; what is inside the `with` counts as in flight."""
        self._enter()
        try:
            yield
        finally:
            self._semaphore.release()

    @contextmanager
    def left(self) -> Iterator[None]:
        """Inside a slot, let another request in its place for as long as this one waits for something else."""
        self._semaphore.release()
        try:
            yield
        finally:
            self._semaphore.acquire()

    def _enter(self) -> None:
        while True:
            self._semaphore.acquire()
            pause = self._not_before - self._clock()
            if pause <= 0:
                return
            self._semaphore.release()
            self._sleep(pause * random.uniform(1, 1.1))  # all at once would be throttled again


class Hosts:
    """The hosts in use, those of the last requests."""

    def __init__(self, per_host: int, limits: BreakerLimits = BreakerLimits()) -> None:  # noqa: B008 - it is frozen
        self._per_host = per_host
        self._limits = limits
        self._hosts: OrderedDict[str, Host] = OrderedDict()
        self._lock = Lock()

    def of(self, origin: str) -> Host:
        """The host of an origin, such as `https://cdn.shop.example:443`."""
        with self._lock:
            host = self._hosts.setdefault(origin, Host(self._per_host, limits=self._limits))
            self._hosts.move_to_end(origin)
            if len(self._hosts) > _MOST_HOSTS:
                self._hosts.popitem(last=False)
            return host


def retry_after(header: str | None, now: datetime | None = None) -> float | None:
    """Seconds that a `Retry-After` header asks for, as a number or as a date (RFC 9110); None where it does not say."""
    if not header:
        return None
    text = header.strip()
    if text.isdecimal():
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (date - (now or datetime.now(UTC))).total_seconds())
