"""Hosts of images: each has a semaphore for requests in flight, a circuit breaker, and pauses by `Retry-After`."""

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
_MAX_HOSTS = 256


class Host:
    """One host: a semaphore for requests in flight, the end of its last `Retry-After` pause, and a circuit breaker."""

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
        """Start no request for some seconds, a minute at most, as `Retry-After` demands."""
        self._not_before = max(self._not_before, self._clock() + min(seconds, LONGEST_PAUSE_S))

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Acquire the semaphore for one request, after any pause; release it at the end of the `with`."""
        self._enter()
        try:
            yield
        finally:
            self._semaphore.release()

    @contextmanager
    def released(self) -> Iterator[None]:
        """Inside a slot, lend it to another request while this one waits for something else."""
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
            self._sleep(pause * random.uniform(1, 1.1))  # jitter: simultaneous requests would be throttled again


class Hosts:
    """The most recently used hosts."""

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
            if len(self._hosts) > _MAX_HOSTS:
                self._hosts.popitem(last=False)
            return host


def retry_after(header: str | None, now: datetime | None = None) -> float | None:
    """Seconds of a `Retry-After` header, a number or a date (RFC 9110); None when it is absent or invalid."""
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
