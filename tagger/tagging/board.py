"""What all workers of a run share: the model, and what is known of images, so that each is looked at once."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence

from tagger.tagging.collector import Claim, Outcome

_LIMIT_BYTES = 600 * 2**20
_BYTES_BESIDES = 200  # of an outcome: its digest, and its places in two dictionaries


class Board:
    """The model, outcomes by digest, who looks at which image, and how many rows are done; one for all workers.

    Beyond its limit it forgets the oldest outcomes, whose images would then be looked at once more.
    """

    def __init__(self, limit_bytes: int = _LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._bytes = 0
        self._outcomes: OrderedDict[bytes, Outcome] = OrderedDict()
        self._looking: dict[bytes, str] = {}
        self._rows = 0
        self._model: object = None

    def bring(self, model: object) -> None:
        """Keep the model for the workers, who start while it is still being prepared."""
        self._model = model

    def model(self) -> object:
        """The model; None while it is not there yet."""
        return self._model

    def exchange(
        self, worker: str, rows: int, outcomes: Mapping[bytes, Outcome], digests: Sequence[bytes], take_over: bool
    ) -> list[Outcome | Claim]:
        """One call for all that a worker has to say and to ask: `add`, `tell` and `claim`."""
        self.add(rows)
        self.tell(outcomes)
        return self.claim(worker, digests, take_over)

    def claim(self, worker: str, digests: Sequence[bytes], take_over: bool = False) -> list[Outcome | Claim]:
        """For every digest its outcome where one is known, else who looks at it.

        Args:
            worker: Who asks.
            digests: SHA-256 of images.
            take_over: Look at those, too, that another worker said it would look at.
        """
        answers: list[Outcome | Claim] = []
        for digest in digests:
            outcome = self._outcomes.get(digest)
            if outcome is not None:
                answers.append(outcome)
            elif take_over or self._looking.setdefault(digest, worker) == worker:
                self._looking[digest] = worker
                answers.append(Claim.MINE)
            else:
                answers.append(Claim.ANOTHERS)
        return answers

    def tell(self, outcomes: Mapping[bytes, Outcome]) -> None:
        """Keep what was found."""
        for digest, outcome in outcomes.items():
            self._looking.pop(digest, None)
            before = self._outcomes.get(digest)
            self._bytes += _size(outcome) - (_size(before) if before is not None else 0)
            self._outcomes[digest] = outcome
        while self._bytes > self._limit_bytes:
            _, forgotten = self._outcomes.popitem(last=False)
            self._bytes -= _size(forgotten)

    def add(self, rows: int) -> None:
        """Count rows as done."""
        self._rows += rows

    def state(self) -> tuple[int, bool]:
        """How many rows are done, and whether the model is here."""
        return self._rows, self._model is not None


def _size(outcome: Outcome) -> int:
    return _BYTES_BESIDES + (len(outcome) if isinstance(outcome, bytes) else 0)
