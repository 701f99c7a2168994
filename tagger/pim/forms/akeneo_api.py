"""Akeneo's REST API: one product a line, for PATCH."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tagger.io.location import Location
from tagger.manifest.spelling import clean
from tagger.notices import Notices
from tagger.pim.fields import Field
from tagger.pim.forms.base import Document, Record
from tagger.pim.forms.json_lines import objects_of
from tagger.pim.values import Values, written
from tagger.schemas.documents.target import Target

_LOCALE = re.compile(r"[a-z]{2,3}(_[A-Za-z]{2,8})+")


class AkeneoApi:
    """Products as the API gives and takes them; a heading is that of Akeneo's files, such as name-en_US-ecommerce.

    Args:
        target: The target.
        key: identifier, or uuid.
        item: The attribute of the run's ids.
        fields: What is written.
        further: Attributes that decide about values.
    """

    def __init__(self, target: Target, key: str, item: str, fields: Sequence[Field], further: Sequence[str]) -> None:
        self.key, self._item, self._fields, self._further = key, item, fields, further
        self.has_other_columns = True

    def records(self, files: Sequence[Location], notices: Notices) -> Iterator[Record]:
        """The products of an export."""
        for file in files:
            for product in objects_of(file, notices):
                key = str(product.get(self.key) or "")
                item = key if self._item == self.key else "".join(_values(product, self._item)[:1])
                if key:
                    values = {field.heading: self._value(product, field) for field in self._fields}
                    rest = {name: found[0] for name in self._further if (found := _values(product, name))}
                    yield Record(clean(item), key, values, rest)

    def documents(self, record: Record, values: Mapping[Field, Values]) -> Iterator[tuple[str, Document]]:
        """One line."""
        line: dict[str, Any] = {self.key: record.key}
        for field, all_values in values.items():
            if field.role == "category":
                line["categories"] = list(all_values)
                continue
            code, locale, scope = _parts(field.heading)
            data = written(field.form, all_values[0]) if all_values else None
            line.setdefault("values", {}).setdefault(code, []).append({"locale": locale, "scope": scope, "data": data})
        yield "", line

    def _value(self, product: Mapping[str, Any], field: Field) -> Values:
        if field.role == "category":
            return tuple(map(str, product.get("categories") or ()))
        return _values(product, field.heading)


def _values(product: Mapping[str, Any], heading: str) -> Values:
    """The values of an attribute in its locale and channel."""
    if isinstance(top := product.get(heading), str):
        return (top,)
    code, locale, scope = _parts(heading)
    for each in (product.get("values") or {}).get(code) or ():
        if each.get("locale") == locale and each.get("scope") == scope:
            data = each.get("data")
            if data is None or data == "":
                return ()
            return (
                tuple(map(str, data))
                if isinstance(data, list)
                else (data if isinstance(data, str) else json.dumps(data),)
            )
    return ()


def _parts(heading: str) -> tuple[str, str | None, str | None]:
    """The attribute, its locale and its channel: CODE, CODE-LOCALE, CODE-CHANNEL or CODE-LOCALE-CHANNEL."""
    code, *more = heading.split("-")
    locale = more.pop(0) if more and _LOCALE.fullmatch(more[0]) else None
    return code, locale, more[0] if more else None
