"""Attributes in numbered groups of columns, as WooCommerce has them."""

import re
from collections.abc import Mapping

from tagger.pim.fields import Field
from tagger.pim.values import Values, joined
from tagger.schemas.documents.target import Numbered

_N = "{n}"


def is_numbered(form: Numbered, name: str) -> bool:
    """Whether a column belongs to a group."""
    return any(_pattern(each).fullmatch(name) for each in (form.name, form.value, *form.new, *form.kept))


def groups_named(form: Numbered, columns: tuple[str, ...]) -> int:
    """How many groups some columns have."""
    return sum(bool(_pattern(form.name).fullmatch(name)) for name in columns)


def cells_by_attribute(form: Numbered, row: Mapping[str, str]) -> dict[str, str]:
    """The cell of each attribute's values, by the attribute's name."""
    return {
        row[form.name.replace(_N, number)]: row.get(form.value.replace(_N, number), "")
        for number in _numbers(form, row)
    }


def rewritten(form: Numbered, row: Mapping[str, str], values: Mapping[Field, Values]) -> dict[str, str]:
    """All attributes of a product in new groups of columns: an import drops those that its row does not have.

    Args:
        form: What the columns are called.
        row: Those of the product now.
        values: All values of those that change; without any, an attribute is taken away.
    """
    changed = {field.heading: field for field in values}
    groups: list[dict[str, str]] = []
    for number in _numbers(form, row):
        present = {name: row.get(name.replace(_N, number)) for name in (form.name, form.value, *form.new, *form.kept)}
        cells = {name: cell for name, cell in present.items() if cell}
        field = changed.pop(cells[form.name], None)
        if field is not None:
            cells[form.value] = joined(field.form, values[field])
        if cells.get(form.value):
            groups.append(cells)
    for heading, field in changed.items():
        if values[field]:
            groups.append({form.name: heading, form.value: joined(field.form, values[field]), **form.new})
    if not groups:  # one without a value takes all away
        groups = [{form.name: next(iter(values)).heading, form.value: "", **form.new}]
    return {name.replace(_N, str(n)): cell for n, cells in enumerate(groups, 1) for name, cell in cells.items()}


def _numbers(form: Numbered, row: Mapping[str, str]) -> list[str]:
    """The numbers of the groups that have a name, in order."""
    pattern = _pattern(form.name)
    return sorted((m[1] for name, cell in row.items() if cell.strip() and (m := pattern.fullmatch(name))), key=int)


def _pattern(name: str) -> re.Pattern[str]:
    return re.compile(re.escape(name).replace(re.escape(_N), r"(\d+)"))
