"""Finds the runs in a folder of runs, without a look into any of them."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tagger.io.completion import SUCCESS
from tagger.io.location import Location
from tagger.schemas.documents.hold import HOLD

RECORD = "run.json"
ROLLBACK = "rollback.json"
"""Says that the run's values were taken back, by whom and when."""
_LISTED_AT_ONCE = 16


@dataclass(frozen=True)
class RunRoot:
    """The folder of a run, whether the run has finished, and whether its values were taken back."""

    folder: Location
    done: bool
    rolled_back: bool = False
    has_hold: bool = False
    """Whether it was held from exports; a person may have released it since."""


def run_roots(folder: Location) -> list[RunRoot]:
    """The runs in a folder at any depth, or the run of a run's own folder, sorted by path.

    Folders are listed one level at a time, several at once, and those below a run not at all: with 12,000 parts in each
    of 365 runs, that is one short listing a run instead of millions of names. Hidden folders and those that begin with
    an underscore hold no runs.

    Raises OSError when a folder cannot be listed.
    """
    roots: list[RunRoot] = []
    level = [folder]
    with ThreadPoolExecutor(_LISTED_AT_ONCE) as pool:
        while level:
            below: list[Location] = []
            for parent, children in zip(level, pool.map(Location.children, level), strict=True):
                files = {child.name for child in children.files}
                if RECORD in files:
                    roots.append(RunRoot(parent, SUCCESS in files, ROLLBACK in files, HOLD in files))
                else:
                    below += [child for child in children.folders if not child.name.startswith((".", "_"))]
            level = below
    return sorted(roots, key=lambda root: (root.folder / RECORD).path)
