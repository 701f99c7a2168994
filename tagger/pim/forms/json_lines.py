"""JSON documents of an export: one a line, or one list of them."""

import json
from collections.abc import Iterator
from typing import Any

from tagger.errors import InputError
from tagger.io.location import Location, first_line
from tagger.notices import Notices

_LISTS = (("_embedded", "items"), ("items",), ("products",))
_MOST_BAD = 5


def objects_of(file: Location, notices: Notices) -> Iterator[dict[str, Any]]:
    """The objects of a file; a line that is none is named. Raises InputError when the file is no JSON."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: cannot be read: {first_line(error)}") from error
    if text.lstrip().startswith("["):
        yield from (each for each in _parsed(file, text) if isinstance(each, dict))
        return
    bad = 0
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            document = json.loads(line)
        except ValueError as error:
            bad += 1
            if number == 1:
                yield from _page(file, _parsed(file, text))
                return
            if bad <= _MOST_BAD:
                notices.add(f"{file}, line {number}: no JSON ({first_line(error)}); its product counts as gone")
            continue
        if isinstance(document, dict):
            yield from _page(file, document)


def _page(file: Location, document: Any) -> Iterator[dict[str, Any]]:
    """The objects of a page of an API's answer; a document that is no page is one itself."""
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
