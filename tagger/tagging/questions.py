"""Which images a worker asks the others about, before it predicts them."""

from collections.abc import Sequence
from typing import Literal

from tagger.tagging.collector import Claim, Outcome

Sharing = Literal["all", "sample", "none"]
"""`all`: workers ask about every image. `sample`: about every image while a sample shows enough copies."""

SEND_EVERY_S = 5.0
"""How often a worker that does not ask about every image sends what it has; a call costs the receiver a millisecond."""
SAMPLE = 64
"""One image of so many belongs to the sample."""
_JUDGED = 256
"""Images asked about, from which the share of copies is estimated; and again after so many."""
_WORTH = 0.02
"""Share of copies from which it pays where many ask: `python -m tests.sharing_cost` says what an answer costs."""
_ASKED_BY = 128
"""Workers whose questions about every image take half the time of one process."""
_GROWTH = 4
"""Times as many workers as at the start, for which there are caches."""
_WITH_VECTORS = 16
"""The same where an answer has an image vector, which is 2.5 KB instead of 0.1."""


def sharing_of(first: int, most: int, embeddings: bool) -> tuple[Sharing, int]:
    """How a run's workers share outcomes, and by how many caches.

    Args:
        first: Workers of the run at its start.
        most: Most workers of the run; a cluster may grow.
        embeddings: Whether outcomes have image vectors; many workers then predict copies again rather than send them.
    """
    if embeddings:
        return ("all", 1) if most <= _WITH_VECTORS else ("none", 1)
    return ("all" if most <= _ASKED_BY else "sample", -(-min(most, _GROWTH * first) // _ASKED_BY))


class Questions:
    """Decides for one worker which images it asks about.

    Args:
        sharing: How the run shares outcomes.
    """

    def __init__(self, sharing: Sharing) -> None:
        self._sharing = sharing
        self.about_all = sharing == "all"
        """Whether to ask about every image before it is predicted, and to share its outcome."""
        self._asked = self._copies = 0

    def sample(self, digests: Sequence[bytes]) -> list[bytes]:
        """The images to ask about only to learn how many are copies.

        They are the same for all workers, those with a certain first byte, so that copies among them are noticed at the
        same rate as if every image were asked about.
        """
        return [digest for digest in digests if digest[0] % SAMPLE == 0] if self._sharing == "sample" else []

    def learn(self, answers: Sequence[Outcome | Claim]) -> None:
        """Take note of the answers: from time to time they decide whether to ask about every image."""
        self._asked += len(answers)
        self._copies += sum(answer is not Claim.MINE for answer in answers)
        if self._sharing == "sample" and self._asked >= _JUDGED:
            self.about_all = self._copies >= _WORTH * self._asked
            self._asked = self._copies = 0
