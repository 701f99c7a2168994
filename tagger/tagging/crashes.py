"""Images that crash a worker process: a bisection of their shard finds them, and they are skipped from then on.

A decoder is native code. A file may crash it, or take so much memory that the system kills the worker, and nothing says
which one it was. So after a shard has crashed two workers, halves of its images are tried on others, then halves of
those, until single ones are left. They are stored with the run's shards, so that a resumed run does not search again.
A run with known earlier runs starts with their crashed images.
"""

import json
from dataclasses import dataclass, field, replace
from typing import Literal

from tagger.errors import ImageError, TaggerError
from tagger.io.location import Location
from tagger.schemas.tables.prediction import ErrorCode

CRASHED = ImageError(ErrorCode.CRASHED, "looking at the image ended the worker process, each time it was tried")
_FILE = "crashed.json"
_CERTAIN = 2  # times that a single image must crash a worker: once may be a node that went away
_IDLE_LOSSES = 3
_MOST_FOUND = 50


@dataclass(frozen=True)
class Crashes:
    """Known images that crash workers; small, so that it is sent with every call."""

    digests: frozenset[bytes] = frozenset()
    """Of images whose bytes can be read."""
    unread: frozenset[tuple[int, int]] = frozenset()
    """Images that cannot even be read: shard, and number among the shard's images."""

    @classmethod
    def read(cls, work: Location) -> "Crashes":
        """Read what an earlier call of the run stored."""
        if not cls.are_stored(work):
            return cls()
        stored = json.loads((work / _FILE).read_bytes())
        unread = frozenset((shard, image) for shard, image in stored["rows"])
        return cls(frozenset(bytes.fromhex(digest) for digest in stored["digests"]), unread)

    @staticmethod
    def are_stored(work: Location) -> bool:
        """Whether `write` has been called for the run, even without crashes."""
        return (work / _FILE).exists()

    def write(self, work: Location) -> None:
        """Store them with the run's shards."""
        stored = {"digests": sorted(d.hex() for d in self.digests), "rows": sorted(map(list, self.unread))}
        (work / _FILE).write_text(json.dumps(stored))

    def with_image(self, shard: int, image: int, digest: bytes | None) -> "Crashes":
        """Return a copy with one more image, by its digest or, if that is not known, by its number."""
        if digest is not None:
            return replace(self, digests=self.digests | {digest})
        return replace(self, unread=self.unread | {(shard, image)})

    def images_of(self, shard: int) -> set[int]:
        """Images of a shard that must not even be read."""
        return {image for number, image in self.unread if number == shard}

    def __len__(self) -> int:
        return len(self.digests) + len(self.unread)


@dataclass(frozen=True)
class Step:
    """A task for a worker: tag a shard, try some of its images, or read the digest of one."""

    shard: int
    kind: Literal["tag", "try", "digest"] = "tag"
    first: int = 0
    end: int = 0


@dataclass
class Bisection:
    """Finds the images of one shard that crash workers, one step at a time.

    First an empty step shows whether a worker lives at all. If both halves of a part pass, the part was lost for
    another reason, such as a node that went away.
    """

    shard: int
    images: int
    _pending: list[Step] = field(default_factory=list)
    _crash_counts: dict[Step, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._split(0, self.images)
        self._pending.append(Step(self.shard, "try"))

    def next(self) -> Step | None:
        """The next step to try; None at the end."""
        return self._pending.pop() if self._pending else None

    def crashed(self, step: Step, reason: str) -> int | None:
        """Record that a step crashed its worker; return the number of an image that cannot even be read.

        Raises TaggerError when workers crash without an image.
        """
        if step.kind == "digest":
            return step.first
        count = self._crash_counts[step] = self._crash_counts.get(step, 0) + 1
        if step.end - step.first > 1:
            self._split(step.first, step.end)
        elif step.end == step.first:
            if count >= _IDLE_LOSSES:
                raise TaggerError(f"workers are lost before they look at any image, the last one so: {reason}")
            self._pending.append(step)
        else:
            self._pending.append(replace(step, kind="digest") if count >= _CERTAIN else step)
        return None

    def _split(self, first: int, end: int) -> None:
        middle = (first + end + 1) // 2
        parts = [(first, middle), (middle, end)]
        self._pending += [Step(self.shard, "try", a, b) for a, b in reversed(parts) if a < b]


def check_count(before: Crashes, crashes: Crashes, item: str) -> None:
    """Raise TaggerError when so many images crashed workers that something else must be wrong."""
    if len(crashes) - len(before) >= _MOST_FOUND:
        raise TaggerError(
            f"{len(crashes) - len(before)} images ended their workers, the last one {item}; look at what they have in "
            "common; the same command goes on from here without them"
        )
