"""Outcomes of images that workers share, so that each image is predicted once."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence

from tagger.tagging.collector import Claim, Outcome

_LIMIT_BYTES = 600 * 2**20
_BYTES_BESIDES = 200  # per outcome: its digest, and its entries in two dictionaries


class OutcomeCache:
    """Outcomes by digest, and which worker predicts an image; one for all workers, or several, each for some digests.

    A cache of limited size: the oldest outcomes are evicted first, and their images are predicted again if needed.
    """

    def __init__(self, limit_bytes: int = _LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._bytes = 0
        self._outcomes: OrderedDict[bytes, Outcome] = OrderedDict()
        self._claims: dict[bytes, str] = {}

    def exchange(
        self, worker: str, outcomes: Mapping[bytes, Outcome], digests: Sequence[bytes], take_over: bool
    ) -> list[Outcome | Claim]:
        """`add_outcomes` and `claim` in one call."""
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


def _size(outcome: Outcome) -> int:
    return _BYTES_BESIDES + (len(outcome) if isinstance(outcome, bytes) else 0)
