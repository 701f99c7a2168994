"""Explains image references that a store does not find: another suffix, another case, another folder."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import takewhile
from pathlib import Path
from typing import Protocol, runtime_checkable
from urllib.parse import unquote

from tagger.imaging.suffixes import IMAGE_SUFFIXES

_MAX_REFS = 200
_MAX_LINES = 3
_MAX_PROBES = 5
_MAX_LEVELS_UP = 4
_LONG_LISTING = 1000
_SUFFIXES = "|".join(re.escape(suffix) for suffix in IMAGE_SUFFIXES)

Canonical = Callable[[str], str]


@runtime_checkable
class Listing(Protocol):
    """A store whose files can be listed."""

    def refs_below(self, prefix: str) -> list[str]:
        """List references that begin with a prefix, a few thousand at most."""
        ...


@dataclass(frozen=True)
class _Rule:
    """Paths with the same canonical form probably mean the same file; `hint` says how they differ."""

    canonical: Canonical
    hint: str


def _without_suffix(path: str) -> str:
    return re.sub(rf"(?:{_SUFFIXES})+$", "", path, flags=re.IGNORECASE)


_RULES = (
    _Rule(lambda path: re.sub(r"\s+", "", path), "the spaces differ"),
    _Rule(lambda path: re.sub(r"(?<=\d)\.0+(?=\.[A-Za-z]+$|$)", "", path), "the id ends in .0; write ids as text"),
    _Rule(unquote, "the path is percent-encoded"),
    _Rule(lambda path: path.replace("\\", "/"), "its folders are separated by \\"),
    _Rule(lambda path: unicodedata.normalize("NFC", path), "the same letters in another Unicode form (NFC, NFD)"),
    _Rule(
        lambda path: re.sub(rf"({_SUFFIXES})+$", r"\1", path, flags=re.IGNORECASE),
        "the id ends in a suffix already; leave the suffix out of the pattern",
    ),
    _Rule(str.casefold, "upper and lower case differ"),
    _Rule(_without_suffix, "another suffix"),
    _Rule(lambda path: re.sub(r"(?<![0-9])0+(?=[0-9])", "", path), "leading zeros differ"),
    _Rule(lambda path: path.rsplit("/", 1)[-1], "it is in another folder"),
)
_ALL_RULES = _Rule(
    lambda path: reduce(lambda text, rule: rule.canonical(text), (*_RULES, *_RULES[:3]), path), "written differently"
)


def near_misses(store: object, refs: Sequence[str]) -> list[str]:
    """Explain references that a store did not find, in a few lines.

    Nearby files are listed once, a few thousand at most. A store that cannot be listed gives no line.

    Args:
        store: An image store.
        refs: References that were not found.
    """
    if not refs or not isinstance(store, Listing):
        return []
    step = max(1, len(refs) // _MAX_REFS)
    missing = list(dict.fromkeys(refs[::step]))[:_MAX_REFS]
    links = [line for ref in missing if (line := _dangling_link(ref))]
    if links:
        return links[:1]
    folder, files = _nearby(store, missing)
    if not files:
        return [f"There is no file below {folder}"] if folder else []
    return _lines(folder, [ref.removeprefix(folder) for ref in missing], [file.removeprefix(folder) for file in files])


def _lines(folder: str, missing: Sequence[str], files: Sequence[str]) -> list[str]:
    unexplained = list(missing)
    hits: list[tuple[int, str]] = []
    for rule in (*_RULES, _ALL_RULES):
        index: dict[str, str] = {}
        for file in files:
            index.setdefault(rule.canonical(file), file)
        pairs = [(path, index[form]) for path in unexplained if (form := rule.canonical(path)) in index]
        if pairs:
            (path, match), count = pairs[0], f"{len(pairs):,} of the {len(missing):,} looked at"
            hits.append((len(pairs), f"In {folder}: no {path}, but {match} is there: {rule.hint} ({count})"))
            unexplained = [path for path in unexplained if rule.canonical(path) not in index]
    if hits:
        return [line for _, line in sorted(hits, key=lambda hit: -hit[0])][:_MAX_LINES]
    examples = ", ".join(sorted(files)[:3]) + (", …" if len(files) > 3 else "")
    return [f"In {folder}: nothing is like {missing[0]}; it holds {examples}"]


def _nearby(store: Listing, missing: Sequence[str]) -> tuple[str, list[str]]:
    """The common folder of all references, or the nearest one above it that has files, and its files."""
    levels = zip(*(ref.split("/")[:-1] for ref in missing), strict=False)
    first = folder = "".join(f"{names[0]}/" for names in takewhile(lambda names: len(set(names)) == 1, levels))
    files = store.refs_below(folder)
    for _ in range(_MAX_LEVELS_UP):
        if files or folder.count("/") <= (3 if "://" in folder else 1):
            break
        folder = folder.rstrip("/").rpartition("/")[0] + "/"
        files = store.refs_below(folder)
    if (
        "://" in folder and len(files) >= _LONG_LISTING
    ):  # a prefix may hold millions: also list prefixes of the references
        for ref in missing[:_MAX_PROBES]:
            stem = re.split(r"[^0-9A-Za-z/]", ref.removeprefix(folder), maxsplit=1)[0]
            files += [f for start in {stem, stem.lstrip("0")} - {""} for f in store.refs_below(folder + start)]
    return (folder if files else first), files


def _dangling_link(ref: str) -> str | None:
    path = Path(ref)
    try:
        if "://" in ref or not path.is_symlink() or path.exists():
            return None
        return f"{ref} is a link to {path.readlink()}, which does not exist"
    except (OSError, ValueError):
        return None
