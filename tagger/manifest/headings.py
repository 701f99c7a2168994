"""Suggests columns of a table for missing or misspelt names."""

import difflib
import re
import shlex
import unicodedata
from collections.abc import Iterable, Sequence

from tagger.schemas.tables.item import Role

_OTHER_NAMES = {
    Role.ID: (
        "id", "sku", "item id", "product id", "article id", "article number", "item number", "product number",
        "identifier", "variant sku", "uuid", "handle", "code", "gtin", "ean", "asin", "nr", "no",
        "index level 0", "unnamed 0", "column 1",  # an index without a name, as pandas writes it and as it is read
    ),
    Role.MASTER_CATEGORY: (
        "master category", "main category", "top category", "parent category", "category", "product category",
        "categories", "department", "google product category",
    ),
    Role.ARTICLE_TYPE: (
        "article type", "product type", "item type", "sub category", "category", "type", "label", "class", "kind",
        "family",
    ),
    Role.IMAGE_URI: (
        "image uri", "image url", "image link", "image src", "image path", "image file", "image", "images", "picture",
        "photo", "file name",
    ),
    Role.IMAGE: ("image", "image bytes", "picture", "photo"),
}  # fmt: skip
"""Column names of common exports by role, the likeliest first."""
_UNNAMED = re.compile(r"column_\d+")
"""The name of a column whose heading is empty."""
_MIN_SIMILARITY = 0.75
_SHOWN = 20


def plain(heading: str) -> str:
    """A heading without case, spaces, hyphens, underscores, quotes and prefixes such as `g:`."""
    text = unicodedata.normalize("NFKC", heading).casefold()
    return re.sub(r"[\W_]+", "", re.sub(r"^\s*[a-z]{1,2}:", "", text))


def nearest(name: str, columns: Iterable[str]) -> str | None:
    """The column that a misspelt name most likely means; None where none is similar."""
    by_plain = {plain(column): column for column in reversed(list(columns))}
    near = difflib.get_close_matches(plain(name), by_plain, n=1, cutoff=0.6)
    if near:
        return by_plain[near[0]]
    inside = [column for text, column in by_plain.items() if len(plain(name)) > 2 and plain(name) in text]
    return min(inside, key=len, default=None)


def likely(role: Role, columns: Iterable[str]) -> str | None:
    """The column that most likely has a role; None where no heading looks like it."""
    by_plain = {plain(column): column for column in reversed(list(columns))}
    for name in _OTHER_NAMES[role]:
        if plain(name) in by_plain:
            return by_plain[plain(name)]
    near = difflib.get_close_matches(plain(role), by_plain, n=1, cutoff=_MIN_SIMILARITY)
    return by_plain[near[0]] if near else None


def likely_all(roles: Iterable[Role], columns: Iterable[str]) -> dict[Role, str | None]:
    """The likely column of each role; no column gets two roles."""
    unused = [c for c in columns if c not in list(Role)]
    chosen: dict[Role, str | None] = {}
    for role in roles:
        chosen[role] = likely(role, unused)
        unused = [c for c in unused if c != chosen[role]]
    return chosen


def missing(roles: Sequence[Role], columns: Sequence[str], taken: Iterable[str] = ()) -> str:
    """A message that a table lacks columns for roles, with flags that name the likely columns.

    Args:
        roles: The missing roles.
        columns: The table's columns.
        taken: Columns that have other roles.
    """
    likely_columns = likely_all(roles, [c for c in columns if c not in set(taken)])
    absent = " and no column ".join(map(repr, map(str, roles)))
    meant = {role: column for role, column in likely_columns.items() if column is not None}
    text = f"no column {absent}"
    if meant:
        verb = "looks like it" if len(meant) == 1 else "look like them"
        names = " and ".join(repr(column) for column in meant.values())
        text += f"; {names} {verb}: {' '.join(flag(role, column) for role, column in meant.items())}"
    unknown = [role for role in roles if role not in meant]
    if unknown:
        text += f"; say which one it is with {' '.join(f'--column {role}=NAME' for role in unknown)}"
    is_title = not meant and any(_UNNAMED.fullmatch(column) for column in columns[1:])
    advice = "; if its first line is a title, delete it, so that the headings come first" if is_title else ""
    return f"{text}; it has {listed(columns)}{advice}"


def flag(role: Role, column: str) -> str:
    """The flag that names a column for a role, quoted for a shell."""
    return f"--column {shlex.quote(f'{role}={column}')}"


def did_you_mean(role: Role, name: str, columns: Sequence[str]) -> str:
    """A message that a table lacks the column that was named for a role, with the most similar one."""
    near = nearest(name, columns) or likely(role, columns)
    hint = f", perhaps {flag(role, near)}" if near else ""
    if near == role:  # the name that is read anyway
        hint = f", but {near!r}: leave {flag(role, name)} out"
    return f"no column {name!r}{hint}; it has {listed(columns)}"


def listed(columns: Sequence[str]) -> str:
    """The names of columns; of many, the first twenty."""
    return ", ".join(columns[:_SHOWN]) + (", …" if len(columns) > _SHOWN else "")
