"""Tokens: strength, comparison in constant time, and backoff for clients that guess."""

import hashlib
import hmac
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from tagger.review.web.connections import network_of

MIN_LENGTH, _MIN_DISTINCT = 12, 6
_MAX_STEPS_SHARE = 0.75
_FREE_TRIES = 3
_MAX_WAIT_S = 60.0
_FORGET_AFTER_S = 900.0
_MAX_ADDRESSES = 10_000


def token_weakness(token: str) -> str | None:
    """Why a token is easily guessed; None where it is not."""
    if len(token) < MIN_LENGTH:
        return f"a token has at least {MIN_LENGTH} characters"
    if len(set(token)) < _MIN_DISTINCT:
        return f"it has only {len(set(token))} different characters"
    if token in (token + token)[1:-1]:
        return "it repeats itself"
    codes = [ord(character) for character in token.lower()]
    steps = [abs(later - earlier) for earlier, later in pairwise(codes)]
    if steps.count(1) + steps.count(0) > _MAX_STEPS_SHARE * len(steps):
        return "its characters hardly do more than count"
    return None


@dataclass
class _Attempts:
    wrong: int = 0
    not_before: float = 0.0
    unseen: int = 0
    """Tokens that came during the wait, and were not compared."""


class TokenCheck:
    """Compares tokens with the right one; after three wrong ones a client waits, each time longer, up to a minute.

    Args:
        token: The right one.
        report: Takes a line for the terminal about each wrong one; it contains no token.
        clock: A monotonic clock, in seconds.
    """

    def __init__(self, token: str, report: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._digest = _digest(token)
        self._report = report
        self._clock = clock
        self._tries: OrderedDict[str, _Attempts] = OrderedDict()
        self._lock = threading.Lock()

    def wait_s(self, address: str) -> float:
        """Seconds until tokens from an address are compared again."""
        with self._lock:
            tries = self._tries.get(network_of(address))
            return max(0.0, tries.not_before - self._clock()) if tries else 0.0

    def is_right(self, token: str, address: str) -> bool:
        """Whether a token is the right one, and its address does not have to wait."""
        network = network_of(address)
        right = hmac.compare_digest(_digest(token), self._digest)  # in constant time, whatever its length
        with self._lock:
            now = self._clock()
            tries = self._tries.setdefault(network, _Attempts())
            self._tries.move_to_end(network)
            if now - tries.not_before > _FORGET_AFTER_S:
                tries.wrong = 0
            if now < tries.not_before:
                tries.unseen += 1
                return False
            if right:
                del self._tries[network]
                return True
            self._count(tries, now, address)
            while len(self._tries) > _MAX_ADDRESSES:
                self._tries.popitem(last=False)
        return False

    def _count(self, tries: _Attempts, now: float, address: str) -> None:
        tries.wrong += 1
        wait = min(_MAX_WAIT_S, 2.0 ** (tries.wrong - _FREE_TRIES)) if tries.wrong >= _FREE_TRIES else 0.0
        unseen = f", {tries.unseen:,} more came too soon" if tries.unseen else ""
        tries.not_before, tries.unseen = now + wait, 0
        then = f"; the next is looked at in {wait:.0f} s" if wait else ""
        self._report(f"wrong token from {address} (number {tries.wrong:,}{unseen}){then}")


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
