"""JSON documents of an export: one a line, or one list of them."""

import io
import json
from collections.abc import Iterator
from itertools import chain
from typing import Any

from tagger.errors import InputError
from tagger.io.location import Location, first_line
from tagger.notices import Notices

_LISTS = (("_embedded", "items"), ("items",), ("products",))
_MOST_BAD = 5


def objects_of(file: Location, notices: Notices) -> Iterator[dict[str, Any]]:
    """The objects of a file; a line that is none is named. Raises InputError when the file is no JSON."""
    try:
        with file.open() as stream:
            lines = io.TextIOWrapper(stream, encoding="utf-8-sig")
            first = next((line for line in lines if line.strip()), "")
            if not _is_object(first):  # one document over several lines: a list, or a page of an API's answer
                yield from _page(file, _parsed(file, first + lines.read()))
                return
            bad = 0
            for number, line in enumerate(chain([first], lines), 1):
                if not line.strip():
                    continue
                try:
                    document = json.loads(line)
                except ValueError as error:
                    bad += 1
                    if bad <= _MOST_BAD:
                        notices.add(f"{file}, line {number}: no JSON ({first_line(error)}); its product counts as gone")
                    continue
                if isinstance(document, dict):
                    yield from _page(file, document)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: cannot be read: {first_line(error)}") from error


def _is_object(line: str) -> bool:
    """Whether a line is a whole object."""
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _page(file: Location, document: Any) -> Iterator[dict[str, Any]]:
    """The objects of a list, or of a page of an API's answer; a document that is neither is one itself."""
    if isinstance(document, list):
        yield from (each for each in document if isinstance(each, dict))
        return
    for path in _LISTS:
        inner = document
        for name in path:
            inner = inner.get(name) if isinstance(inner, dict) else None
        if isinstance(inner, list):
            yield from (each for each in inner if isinstance(each, dict))
            return
    yield document


def _parsed(file: Location, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise InputError(f"{file}: neither JSON nor JSON Lines: {first_line(error)}") from error
