"""State that all workers of a run share: the model, engines on GPUs, and outcomes: each image is predicted once."""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from tagger.tagging.collector import Claim, Outcome

_LIMIT_BYTES = 600 * 2**20
_BYTES_BESIDES = 200  # per outcome: its digest, and its entries in two dictionaries


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
    """The model, engines, outcomes by digest, claims of workers, and the number of rows done; one for all workers.

    A cache of limited size: the oldest outcomes are evicted first, and their images are predicted again if needed.
    """

    def __init__(self, limit_bytes: int = _LIMIT_BYTES, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit_bytes = limit_bytes
        self._clock = clock
        self._engines: tuple[int, list[Any]] = 0, []
        self._asked: dict[str, float] = {}
        self._suspects: set[int] = set()
        self._bytes = 0
        self._outcomes: OrderedDict[bytes, Outcome] = OrderedDict()
        self._claims: dict[bytes, str] = {}
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
        """`add_rows`, `add_outcomes` and `claim` in one call."""
        self.add_rows(rows)
        self.add_outcomes(outcomes)
        return self.claim(worker, digests, take_over)

    def claim(self, worker: str, digests: Sequence[bytes], take_over: bool = False) -> list[Outcome | Claim]:
        """Return the outcome of each digest, or which worker is to predict it.

        Args:
            worker: The id of the calling worker.
            digests: SHA-256 of images.
            take_over: Claim images, too, that another worker has claimed.
        """
        answers: list[Outcome | Claim] = []
        for digest in digests:
            outcome = self._outcomes.get(digest)
            if outcome is not None:
                answers.append(outcome)
            elif take_over or self._claims.setdefault(digest, worker) == worker:
                self._claims[digest] = worker
                answers.append(Claim.MINE)
            else:
                answers.append(Claim.ANOTHERS)
        return answers

    def add_outcomes(self, outcomes: Mapping[bytes, Outcome]) -> None:
        """Store outcomes, and release their claims."""
        for digest, outcome in outcomes.items():
            self._claims.pop(digest, None)
            before = self._outcomes.get(digest)
            self._bytes += _size(outcome) - (_size(before) if before is not None else 0)
            self._outcomes[digest] = outcome
        while self._bytes > self._limit_bytes:
            _, evicted = self._outcomes.popitem(last=False)
            self._bytes -= _size(evicted)

    def add_rows(self, rows: int) -> None:
        """Count rows as done."""
        self._rows += rows

    def state(self) -> State:
        """What the command wants to know."""
        suspects, self._suspects = tuple(self._suspects), set()
        return State(self._rows, self._model is not None, self._engines[0], suspects)


def _size(outcome: Outcome) -> int:
    return _BYTES_BESIDES + (len(outcome) if isinstance(outcome, bytes) else 0)
