"""Images that cannot be used: counts by error code, with a few examples of each."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

from tagger.errors import ImageError

EXAMPLES = 20


class FailedImage(NamedTuple):
    """An image that cannot be used."""

    id: str
    image: str | None
    """The path or address that was tried; None when the row names none."""
    message: str


@dataclass
class FailedImages:
    """Counts by error code, and the first EXAMPLES images of each code."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[FailedImage]] = field(default_factory=lambda: defaultdict(list))

    def add(self, item: str, image: str | None, error: ImageError) -> None:
        """Count an image."""
        self.add_row(item, image, str(error.code), error.message)

    def add_row(self, item: str, image: str | None, code: str, message: str | None) -> None:
        """Count an image by the columns of a table, such as a run's predictions."""
        self.counts[code] += 1
        if len(self.examples[code]) < EXAMPLES:
            self.examples[code].append(FailedImage(item, image, message or ""))
