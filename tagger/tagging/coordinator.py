"""State that all workers of a run share: the model, engines on GPUs, and outcomes."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from tagger.tagging.collector import Claim, Outcome
from tagger.tagging.outcome_cache import OutcomeCache

_ASKS_S = 60.0
"""How long a worker counts among those that share the engines, after it has asked for them."""


class State(NamedTuple):
    """What the command wants to know."""

    rows: int
    """Rows done."""
    has_model: bool
    engines: int
    """Number of the last `set_engines`; 0 before the first."""
    suspects: tuple[int, ...]
    """Numbers of engines that did not answer a worker, since the last question."""


class Coordinator:
    """The model, engines, the number of rows done, and an OutcomeCache; one for all workers."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._cache = OutcomeCache()
        self._clock = clock
        self._engines: tuple[int, list[Any]] = 0, []
        self._asked: dict[str, float] = {}
        self._suspects: set[int] = set()
        self._rows = 0
        self._model: object = None

    def set_model(self, model: object) -> None:
        """Store the model; workers start while it is still being prepared."""
        self._model = model

    def model(self) -> object:
        """The model; None until it is set."""
        return self._model

    def set_engines(self, number: int, engines: Sequence[Any]) -> None:
        """Store the engines that serve.

        Args:
            number: Of this call, from 1.
            engines: As `gpu_engines.Serving`.
        """
        self._engines = number, list(engines)

    def engines(self, worker: str) -> tuple[list[Any], int, int]:
        """The engines that serve, the number of this worker among those that have asked lately, and how many these are.

        Args:
            worker: The id of the calling worker.
        """
        now = self._clock()
        self._asked[worker] = now
        lately = [name for name, asked in self._asked.items() if now - asked <= _ASKS_S]
        return self._engines[1], lately.index(worker), len(lately)

    def suspect(self, engine: int) -> None:
        """Take note that an engine does not answer.

        Args:
            engine: Its number.
        """
        self._suspects.add(engine)

    def exchange(
        self, worker: str, rows: int, outcomes: Mapping[bytes, Outcome], digests: Sequence[bytes], take_over: bool
    ) -> list[Outcome | Claim]:
        """Count rows as done, and exchange outcomes as `OutcomeCache.exchange` does, in one call."""
        self._rows += rows
        return self._cache.exchange(worker, outcomes, digests, take_over)

    def state(self) -> State:
        """What the command wants to know."""
        suspects, self._suspects = tuple(self._suspects), set()
        return State(self._rows, self._model is not None, self._engines[0], suspects)
