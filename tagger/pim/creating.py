"""Akeneo's options and categories that do not exist yet, as files to import before the products."""

from collections.abc import Mapping, Sequence

from tagger.errors import InputError
from tagger.io.location import Location
from tagger.pim.fields import Field
from tagger.pim.files import WrittenFile, csv_line

_LABEL = "label-en_US"
_DELIMITER = ";"
NewCodes = Mapping[str, Sequence[tuple[str, str]]]
"""By field the codes that do not exist yet, each with what it is for."""


def write_options(out: Location, fields: Sequence[Field], new: NewCodes) -> list[WrittenFile]:
    """Write the new options of attributes, with the class as their label."""
    rows = [
        [each.heading.split("-")[0], code, label]
        for each in fields
        if each.role == "attribute"
        for code, label in _distinct(new.get(each.heading, ()))
    ]
    return _written(out / "akeneo-options.csv", ["attribute", "code", _LABEL], rows)


def write_categories(
    out: Location, fields: Sequence[Field], new: NewCodes, masters: Mapping[str, str]
) -> list[WrittenFile]:
    """Write the new categories, each under that of its master category, and those under the map's `parent`.

    Args:
        out: The folder.
        fields: Of the map.
        new: Values that do not exist yet, each with its class, by field.
        masters: The master category of each article type.

    Raises InputError when a category has no parent.
    """
    rows = []
    for each in fields:
        if each.role != "category":
            continue
        rough = {text: place for place, text in each.master_places()}
        codes = {place: text for text, place in rough.items()}
        found = sorted(_distinct(new.get(each.heading, ())), key=lambda pair: pair[0] not in rough)
        for code, label in found:
            master = "" if code in rough else masters.get(label.split(", ")[0], "")
            parent = codes.get(master, each.map.parent)
            if not parent:
                raise InputError(
                    f"--create: {each.heading}: {code!r} has no parent; name one in the map with parent: CODE, or give "
                    "its master category a value under master"
                )
            rows.append([code, parent, label])
    return _written(out / "akeneo-categories.csv", ["code", "parent", _LABEL], rows)


def _distinct(values: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Each value once, with the first class that it stands for."""
    found: dict[str, str] = {}
    for code, label in values:
        found.setdefault(code, label)
    return list(found.items())


def _written(file: Location, columns: list[str], rows: list[list[str]]) -> list[WrittenFile]:
    if not rows:
        return []
    file.write_bytes(b"".join(csv_line(row, _DELIMITER) for row in [columns, *rows]))
    return [WrittenFile(file.name, len(rows), tuple(columns))]
