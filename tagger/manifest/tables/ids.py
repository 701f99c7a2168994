"""Ids as text."""

import re

import pyarrow as pa
import pyarrow.compute as pc

from tagger.errors import InputError
from tagger.io.location import Location, first_line
from tagger.manifest.no_value import NoValue
from tagger.manifest.tables.table import TableFile
from tagger.notices import Notices

_SCAN_ROWS = 65_536
_WHOLE = re.compile(r"(-?[0-9]+)\.0+")
_EXACT = {pa.float16(): 2.0**11, pa.float32(): 2.0**24}
"""From these values on, neighbouring whole numbers are the same float; for other types, from 2⁵³."""


class IdReader:
    """Reads ids of a manifest's files: ids like 15970.0 lose the .0 if all ids of the file have it.

    Tables with gaps turn 15970 into 15970.0. Where other ids such as 1.5 occur, nothing is changed. A file whose first
    id has the .0 is therefore read once more, its ids alone, so that the result does not depend on batches.

    Args:
        column: The files' column of ids.
        no_value: Recognises cells without an id.
        notices: Gets a remark when text ids lose their .0.
    """

    def __init__(self, column: str, no_value: NoValue, notices: Notices) -> None:
        self._column, self._no_value, self._notices = column, no_value, notices
        self._whole: dict[str, bool] = {}

    def read(
        self, file: Location, table: TableFile, column: pa.ChunkedArray
    ) -> tuple[list[str | None], dict[int, str]]:
        """Consecutive ids of one file, None for a row without, and by position why a value cannot be an id.

        Raises InputError when the column's type is not text.
        """
        ids, problems = self._texts(column, file)
        key = str(file)
        if key not in self._whole:
            first = next((i for i in ids if i), None)
            if first is None:
                return ids, problems
            example = self._first_if_all_whole(file, table) if _is_whole(first) else None
            self._whole[key] = example is not None
            if example is not None and not pa.types.is_floating(column.type):
                short = example.split(".")[0]
                self._notices.add(f"{file}: all ids are like {example}; they are read without the point, as {short}")
        return _without_point(ids) if self._whole[key] else ids, problems

    def _first_if_all_whole(self, file: Location, table: TableFile) -> str | None:
        """The first id of a file whose ids are all whole numbers with .0, wherever reading it began; else None."""
        if self._column not in table.columns:
            return None  # it is in the path
        first = None
        for chunk in table.chunks(_SCAN_ROWS, only=self._column):
            ids, _ = self._texts(chunk.table[self._column], file)
            if not _are_whole(ids):
                return None
            first = first or next(filter(None, ids), None)
        return first

    def _texts(self, column: pa.ChunkedArray, file: Location) -> tuple[list[str | None], dict[int, str]]:
        ids, problems = _id_texts(column, file)
        return [None if self._no_value.means_no_id(i) else i for i in ids], problems


def as_ids(column: pa.ChunkedArray, file: Location) -> list[str | None]:
    """A whole column of ids as text, like IdReader; None for a value that cannot be an id."""
    ids, _ = _id_texts(column, file)
    return _without_point(ids) if _are_whole(ids) else ids


def _id_texts(column: pa.ChunkedArray, file: Location) -> tuple[list[str | None], dict[int, str]]:
    """Ids as stripped text, and by position why some cannot be ids (those are None).

    Raises InputError when the column's type is not text.
    """
    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    if pa.types.is_floating(column.type):
        return _of_floats(column)
    try:
        ids: list[str | None] = pc.utf8_trim_whitespace(pc.cast(column, pa.string())).to_pylist()
    except pa.ArrowException as error:
        raise InputError(f"{file}: the column of id is {column.type}, which is no text: {first_line(error)}") from error
    return ids, {}


def _is_whole(text: str) -> bool:
    """Whether an id is a whole number with zeros behind a point, such as 15970.0."""
    return _WHOLE.fullmatch(text) is not None


def _are_whole(ids: list[str | None]) -> bool:
    """Whether all ids that are not blank are whole numbers with .0."""
    return all(not i or _is_whole(i) for i in ids)


def _without_point(ids: list[str | None]) -> list[str | None]:
    """Ids less their point and zeros."""
    return [_WHOLE.sub(r"\1", i) if i else i for i in ids]


def _of_floats(column: pa.ChunkedArray) -> tuple[list[str | None], dict[int, str]]:
    exact = _EXACT.get(column.type, 2.0**53)
    ids: list[str | None] = []
    problems: dict[int, str] = {}
    for position, value in enumerate(column.to_pylist()):
        plain = None if value is None else float(value)
        if plain is None or plain != plain:  # NaN is how tables write a gap
            ids.append(None)
        elif abs(plain) >= exact:
            problems[position] = f"the id is the number {plain}, which is not exact; store ids as text or whole numbers"
            ids.append(None)
        else:
            ids.append(repr(plain))
    return ids, problems
