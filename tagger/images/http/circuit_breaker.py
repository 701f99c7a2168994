"""A circuit breaker: a host that no longer answers gets no requests, except for an occasional probe."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock


@dataclass(frozen=True)
class BreakerLimits:
    """When a host counts as dead. Any response, even an HTTP error, shows that it is alive."""

    images: int = 5
    """Consecutive images that were given up without a response."""
    silent_s: float = 30
    """Seconds without any response. Both limits must be reached, so that a host that restarts loses no image."""
    probe_every_s: float = 30
    """Seconds between probes, single requests that show whether the host is alive again."""


class CircuitBreaker:
    """Closed while a host answers, open while it is dead, half-open for each probe.

    Args:
        limits: When it opens, and how often a probe is let through.
        clock: Gives seconds.
    """

    def __init__(self, limits: BreakerLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self._clock = clock
        self._lock = Lock()
        self._images = 0
        self._silent_since: float | None = None
        self._next_probe: float | None = None

    def allows(self) -> bool:
        """Whether a request may be sent. An open breaker lets only a probe through."""
        with self._lock:
            if self._next_probe is None:
                return True
            if self._clock() < self._next_probe:
                return False
            self._next_probe = self._clock() + self.limits.probe_every_s
            return True

    def answered(self) -> None:
        """Record a response of any status, which closes the breaker."""
        with self._lock:
            self._images, self._silent_since, self._next_probe = 0, None, None

    def unanswered(self) -> None:
        """Record a request that could not connect or got no response in time."""
        with self._lock:
            if self._silent_since is None:
                self._silent_since = self._clock()

    def given_up(self) -> None:
        """Record that an image was given up after such requests, which may open the breaker."""
        with self._lock:
            self._images += 1
            now = self._clock()
            is_silent = self._silent_since is not None and now - self._silent_since >= self.limits.silent_s
            if self._next_probe is None and is_silent and self._images >= self.limits.images:
                self._next_probe = now + self.limits.probe_every_s
