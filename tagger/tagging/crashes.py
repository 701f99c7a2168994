"""Images that end the process which looks at them: found by halving their shard, and known from then on.

A decoder is native code, and a file may crash it, or take so much memory that the system ends the worker. Nobody then
says which row it was. So after a shard has ended two workers, parts of it are tried on others, each half the size of
the one before, until single rows are left. Rows that were found are kept with the run's shards, so that a run that goes
on does not search again; and a run that knows earlier ones begins with the images that crashed there.
"""

import json
from dataclasses import dataclass, field, replace
from typing import Literal

from tagger.errors import ImageError, TaggerError
from tagger.io.location import Location
from tagger.schemas.tables.prediction import ErrorCode

CRASHED = ImageError(ErrorCode.CRASHED, "looking at the image ended the worker process, each time it was tried")
_FILE = "crashed.json"
_CERTAIN = 2  # times that a single row must end a worker: once may be a node that was taken away
_IDLE_LOSSES = 3
_MOST_FOUND = 50


@dataclass(frozen=True)
class Crashes:
    """What is known of images that end workers; small, so that it travels with every call."""

    digests: frozenset[bytes] = frozenset()
    """Of images whose bytes can be read."""
    rows: frozenset[tuple[int, int]] = frozenset()
    """Shard and row of images that cannot even be read."""

    @classmethod
    def read(cls, work: Location) -> "Crashes":
        """What an earlier call of the run found."""
        if not cls.are_kept(work):
            return cls()
        stored = json.loads((work / _FILE).read_bytes())
        rows = frozenset((shard, row) for shard, row in stored["rows"])
        return cls(frozenset(bytes.fromhex(digest) for digest in stored["digests"]), rows)

    @staticmethod
    def are_kept(work: Location) -> bool:
        """Whether `write` has been called for a run, with whatever there was."""
        return (work / _FILE).exists()

    def write(self, work: Location) -> None:
        """Keep it with the run's shards."""
        stored = {"digests": sorted(d.hex() for d in self.digests), "rows": sorted(map(list, self.rows))}
        (work / _FILE).write_text(json.dumps(stored))

    def and_one(self, shard: int, row: int, digest: bytes | None) -> "Crashes":
        """With one more image, by its digest or, where that is not known, by its row."""
        if digest is not None:
            return replace(self, digests=self.digests | {digest})
        return replace(self, rows=self.rows | {(shard, row)})

    def rows_of(self, shard: int) -> set[int]:
        """Rows of a shard whose images must not even be read."""
        return {row for number, row in self.rows if number == shard}

    def __len__(self) -> int:
        return len(self.digests) + len(self.rows)


@dataclass(frozen=True)
class Step:
    """What a worker is asked to do: tag a shard, try some of its rows, or read the digest of one row's image."""

    shard: int
    kind: Literal["tag", "try", "digest"] = "tag"
    first: int = 0
    end: int = 0


@dataclass
class Halving:
    """Finds the rows of one shard that end workers, one step at a time.

    Before any row, the worker is tried alone. A part whose halves both pass was lost for another reason, such as a
    node that was taken away.
    """

    shard: int
    rows: int
    _ahead: list[Step] = field(default_factory=list)
    _deaths: dict[Step, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._split(0, self.rows)
        self._ahead.append(Step(self.shard, "try"))

    def next(self) -> Step | None:
        """What to try now; None at the end."""
        return self._ahead.pop() if self._ahead else None

    def died(self, step: Step, reason: str) -> int | None:
        """Take in that a step ended its worker; return the row of an image that cannot even be read.

        Raises TaggerError when workers end without any image.
        """
        if step.kind == "digest":
            return step.first
        deaths = self._deaths[step] = self._deaths.get(step, 0) + 1
        if step.end - step.first > 1:
            self._split(step.first, step.end)
        elif step.end == step.first:
            if deaths >= _IDLE_LOSSES:
                raise TaggerError(f"workers are lost before they look at any image, the last one so: {reason}")
            self._ahead.append(step)
        else:
            self._ahead.append(replace(step, kind="digest") if deaths >= _CERTAIN else step)
        return None

    def _split(self, first: int, end: int) -> None:
        middle = (first + end + 1) // 2
        parts = [(first, middle), (middle, end)]
        self._ahead += [Step(self.shard, "try", a, b) for a, b in reversed(parts) if a < b]


def check_count(before: Crashes, crashes: Crashes, item: str) -> None:
    """Raise TaggerError when so many images ended workers that something else must be wrong."""
    if len(crashes) - len(before) >= _MOST_FOUND:
        raise TaggerError(
            f"{len(crashes) - len(before)} images ended their workers, the last one {item}; look at what they have in "
            "common; the same command goes on from here without them"
        )
