"""A circuit breaker: a host that no longer answers is left alone, but for a probe now and then."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock


@dataclass(frozen=True)
class BreakerLimits:
    """When a host counts as dead. Any answer, an error of HTTP, too, shows that it is not."""

    images: int = 5
    """So many images in a row were given up without an answer."""
    silent_s: float = 30
    """And so long nothing else was answered, so that a host which is started anew costs no image."""
    probe_every_s: float = 30
    """How often one request is let through all the same, which may find the host alive."""


class CircuitBreaker:
    """Closed while a host answers; open when it is dead, and half open for each probe.

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
        """Whether a request may be sent; of an open breaker, whether it is the next probe."""
        with self._lock:
            if self._next_probe is None:
                return True
            if self._clock() < self._next_probe:
                return False
            self._next_probe = self._clock() + self.limits.probe_every_s
            return True

    def answered(self) -> None:
        """Take in an answer, whatever it says: this closes the breaker."""
        with self._lock:
            self._images, self._silent_since, self._next_probe = 0, None, None

    def unanswered(self) -> None:
        """Take in a request that could not connect, or got no answer in time."""
        with self._lock:
            if self._silent_since is None:
                self._silent_since = self._clock()

    def given_up(self) -> None:
        """Take in that an image was given up for such requests: this may open the breaker."""
        with self._lock:
            self._images += 1
            now = self._clock()
            is_silent = self._silent_since is not None and now - self._silent_since >= self.limits.silent_s
            if self._next_probe is None and is_silent and self._images >= self.limits.images:
                self._next_probe = now + self.limits.probe_every_s
