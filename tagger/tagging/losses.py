"""How many processes a run may lose while they start."""

from collections.abc import Iterable
from typing import Any

from ray.exceptions import RayError

from tagger.errors import TaggerError
from tagger.io.location import first_line

_RETRIES = 3


class LostStarting:
    """Counts groups of processes that were lost while starting, until one succeeds.

    Processes that start together are often lost together, with their node. A long run on spot nodes loses some now and
    then, which is no reason to abort.

    Args:
        what: What they are, for messages.
    """

    def __init__(self, what: str = "workers") -> None:
        self._what = what
        self._group_of: dict[Any, int] = {}
        self._groups = 0
        self._losses = 0
        self._lost: set[int] = set()

    def expect(self, refs: Iterable[Any]) -> None:
        """Record processes that were started together."""
        self._groups += 1
        self._group_of.update(dict.fromkeys(refs, self._groups))

    def forget(self, ref: Any) -> None:
        """Record that a process started or finished its work."""
        self._group_of.pop(ref, None)
        self._lost, self._losses = set(), 0

    def lose(self, ref: Any, error: RayError) -> None:
        """Record a loss. Raises TaggerError after too many groups without a success."""
        self._losses += 1
        self._lost.add(self._group_of.pop(ref))
        if len(self._lost) > _RETRIES:
            raise TaggerError(
                f"{self._losses} {self._what} were lost while they started, and none did start, the last one so: "
                f"{first_line(error)}; the same command goes on from here"
            )
