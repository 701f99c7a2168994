"""Paths with wildcards: `*` and `?` within one folder, and `[…]`."""

import fnmatch

from tagger.io.location import Location

_WILDCARDS = "*?["


def is_glob(location: Location) -> bool:
    """Whether a path has wildcards, and is not the plain name of a file."""
    return any(c in location.path for c in _WILDCARDS) and not location.exists()


def matching_files(location: Location) -> list[Location]:
    """The files that match a path with wildcards, sorted by path."""
    parts = location.path.split("/")
    first = next(i for i, part in enumerate(parts) if any(c in part for c in _WILDCARDS))
    base = location.sibling("/".join(parts[:first]) or "/")
    return [file for file in base.files() if _matches(file.path.split("/"), parts)]


def _matches(names: list[str], patterns: list[str]) -> bool:
    return len(names) == len(patterns) and all(map(fnmatch.fnmatchcase, names, patterns))
