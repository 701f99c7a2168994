"""Values as a target's file has them: joined, split, and compared."""

import html
import re
from collections.abc import Callable, Iterable

from tagger.schemas.documents.target import RoleForm

Values = tuple[str, ...]
"""All values of one column of one product, in order; empty where it has none."""
_CATEGORY = {"shopify": re.compile(r"(?:gid://shopify/TaxonomyCategory/)?([a-z]{2}(?:-\d+)*) : (.+)"),
             "google": re.compile(r"(\d+) - (.+)")}  # fmt: skip
_ADDRESS = "gid://shopify/TaxonomyCategory/"
_HOLE = "\0"


def category_of(form: RoleForm, text: str) -> tuple[str, str] | None:
    """The id and the path of a category, as a map and a taxonomy's file write them; None for anything else."""
    match = _CATEGORY[form.taxonomy].fullmatch(text.strip()) if form.taxonomy else None
    return (match[1], match[2].strip()) if match else None


def written(form: RoleForm, value: str) -> str:
    """What a file says for a value of the map."""
    category = category_of(form, value)
    if category is None:
        return value
    return f"{_ADDRESS}{category[0]}" if form.writes == "address" else category[0]


def joined(form: RoleForm, values: Iterable[str]) -> str:
    """Values as one cell."""
    texts = list(values)
    if form.several is None:
        return texts[0] if texts else ""
    if form.escape:
        texts = [text.replace(form.several, form.escape + form.several) for text in texts]
    return (form.several + form.space).join(texts)


def split(form: RoleForm, cell: str) -> Values:
    """The values of a cell, without spaces around them."""
    if form.several is None:
        return (cell,) if cell.strip() else ()
    separator = form.several
    if form.also_separated_by and separator not in cell:
        separator = form.also_separated_by
    text = cell.replace(form.escape + separator, _HOLE) if form.escape else cell
    parts = [part.replace(_HOLE, separator) for part in text.split(separator)]
    if form.begins and separator == form.also_separated_by:
        parts = _continued(parts, separator, form.begins)
    return tuple(part.strip() for part in parts if part.strip())


def _continued(parts: list[str], separator: str, begins: str) -> list[str]:
    """Parts, where one that does not begin as every value does is the rest of the last."""
    values: list[str] = []
    for part in parts:
        if values and not part.lstrip().startswith(begins):
            values[-1] += separator + part
        else:
            values.append(part)
    return values


class Spelling:
    """What spellings of one role's values are equal, such as a category's id, address and path.

    Args:
        form: The role's.
        known: Values of the map and of a taxonomy.
    """

    def __init__(self, form: RoleForm, known: Iterable[str] = ()) -> None:
        self._form = form
        self._ids: dict[str, str] = {}
        for text in known:
            category = category_of(form, text)
            if category:
                self._ids.update(dict.fromkeys((category[0], _ADDRESS + category[0], _path(category[1])), category[0]))
        self._keys: dict[str, str] = {}

    def key(self, text: str) -> str:
        """A key that is equal for equal values."""
        known = self._keys.get(text)
        if known is None:
            known = self._keys[text] = self._key(text)
        return known

    def _key(self, text: str) -> str:
        form = self._form
        category = category_of(form, text)
        if category:
            return category[0]
        if form.taxonomy:
            return self._ids.get(text.strip()) or self._ids.get(_path(text)) or text.strip()
        if form.has_entities:
            text = html.unescape(text)
        if form.level:
            text = f" {form.level} ".join(part.strip() for part in text.split(form.level))
        return text.strip().casefold() if form.ignores_case else text.strip()


def _path(text: str) -> str:
    return " > ".join(part.strip() for part in text.split(">")).casefold()


def what_is_wrong(form: RoleForm) -> Callable[[str], str | None]:
    """Says why a target cannot hold a value; None where it can."""
    pattern = re.compile(form.cannot_hold) if form.cannot_hold else None

    def wrong(value: str) -> str | None:
        if not value.strip():
            return "it is empty, and an empty cell would erase"
        if form.taxonomy and category_of(form, value) is None:
            example = "212 - Apparel & Accessories > Clothing" if form.taxonomy == "google" else "aa-1 : Apparel"
            return f"it is not ID and PATH, such as '{example}'"
        if form.longest and len(value) > form.longest:
            return f"it has more than {form.longest} characters"
        if pattern and pattern.search(value):
            return form.why
        return None

    return wrong
