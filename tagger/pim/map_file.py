"""Reads and writes `map.yaml`, in which every name is text: `No`, `1e3` and `010` are classes and codes."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from pydantic import ValidationError

from tagger.errors import InputError, UsageError
from tagger.io.location import Location, first_line
from tagger.schemas.documents.export_map import ExportMap, FieldMap
from tagger.schemas.wording import did_you_mean, in_words

_INDENT = "  "


class _TextLoader(yaml.SafeLoader):
    """Reads YAML whose plain words are text, but for null and false; a key may stand once."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """A mapping whose keys are text."""
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key is not text", key_node.start_mark)
            key = key_node.value
            if key in found:
                raise yaml.constructor.ConstructorError(None, None, f"{key!r} stands twice", key_node.start_mark)
            found[key] = self.construct_object(value_node, deep=True)
        return found


class _TextDumper(yaml.SafeDumper):
    """Quotes what the loader would not read as text."""


_NULL = (r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""])
_FALSE = (r"^(?:false|False|FALSE)$", ["f", "F"])
_TEXT = "tag:yaml.org,2002:str"
for _kind in (_TextLoader, _TextDumper):
    _kind.yaml_implicit_resolvers = {}
    _kind.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(_NULL[0]), _NULL[1])
    _kind.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(_FALSE[0]), _FALSE[1])


def _mapping(loader: Any, node: Any) -> Any:
    return loader.construct_mapping(node, deep=True)


_TextLoader.add_constructor("tag:yaml.org,2002:map", _mapping)


def read_map(file: Location, flag: str = "--map") -> ExportMap:
    """Read a map. Raises UsageError when it cannot be read, InputError when it is no map."""
    try:
        document = yaml.load(file.read_bytes().decode("utf-8-sig"), _TextLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{flag} {file}: cannot be read: {first_line(error)}") from error
    except yaml.YAMLError as error:
        raise InputError(f"{flag} {file}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict):
        raise InputError(f"{flag} {file}: holds no map; --write-map drafts one")
    try:
        return ExportMap.model_validate(document)
    except ValidationError as error:
        raise InputError(f"{flag} {file}: {_said(error)}") from error


def _said(error: ValidationError) -> str:
    """What is wrong, and where: an unknown key before what is missing for it, and the innermost of several."""
    errors = error.errors()
    unknown = [each for each in errors if each["type"] == "extra_forbidden"]
    chosen = unknown[0] if unknown else max(errors, key=lambda each: len(each["loc"]))
    *place, last = [str(part) for part in chosen["loc"] if not _is_kind(str(part))] or ["the map"]
    if unknown:
        known = [field.alias or name for name, field in (FieldMap if place else ExportMap).model_fields.items()]
        return f"{'.'.join(place) or 'the map'}: unknown key {last!r}{did_you_mean(last, known)}"
    return f"{'.'.join([*place, last])}: {in_words(chosen)}"


def _is_kind(part: str) -> bool:
    """Whether a part of an error's place names a type of pydantic's and no key."""
    return part in ("str", "literal['same']", "literal[False]", "nullable") or part.startswith(("dict[", "function-"))


def quoted(text: str) -> str:
    """A text as YAML in one line, in quotes where it needs them."""
    style = '"' if any(not c.isprintable() or c in ",[]{}" for c in text) else None
    lines = yaml.dump(text, Dumper=_TextDumper, width=10_000_000, allow_unicode=True, default_style=style)
    return str(lines).removesuffix("...\n").rstrip("\n")


def as_text(export_map: ExportMap, heading: str, notes: Mapping[tuple[str, ...], str]) -> str:
    """A map as YAML with notes for a person.

    Args:
        export_map: The map.
        heading: Lines that go before it, without the mark of a comment.
        notes: Remarks by the path of their key, such as ("fields", "categories", "values", "Belts").
    """
    lines = [f"# {line}".rstrip() for line in heading.splitlines()]
    lines += [f"{name}: {quoted(value)}" for name in ("target", "key", "id", "confidence", "taxonomy")
              if (value := getattr(export_map, name))]  # fmt: skip
    lines.append("fields:")
    for name, each in export_map.fields.items():
        lines.append(f"{_INDENT}{quoted(name)}:")
        lines += [f"{_INDENT * 2}{line}" for line in _field_lines(each, ("fields", name), notes)]
    return "\n".join(lines) + "\n"


def _field_lines(each: FieldMap, path: tuple[str, ...], notes: Mapping[tuple[str, ...], str]) -> Iterator[str]:
    yield f"as: {quoted(each.role)}"
    yield f"of: [{', '.join(map(quoted, each.of))}]"
    for name in ("several", "suggest", "parent"):
        if value := getattr(each, name):
            yield f"{name}: {quoted(value)}"
    if each.new:
        yield "new: true"
    for name in ("values", "master"):
        entries = getattr(each, name)
        if entries == "same":
            yield f"{name}: same"
        elif entries:
            yield f"{name}:"
            yield from (f"{_INDENT}{line}" for line in _entry_lines(entries, (*path, name), notes))
        elif name == "values":
            yield "values: {}"


def _entry_lines(
    entries: Mapping[str, Any], path: tuple[str, ...], notes: Mapping[tuple[str, ...], str]
) -> Iterator[str]:
    for name, entry in entries.items():
        note = notes.get((*path, name))
        remark = f"  # {note}" if note else ""
        if entry == {}:
            yield f"{quoted(name)}: {{}}{remark}"
        elif isinstance(entry, dict):
            yield f"{quoted(name)}:{remark}"
            yield from (f"{_INDENT}{line}" for line in _entry_lines(entry, (*path, name), notes))
        elif entry is None:
            yield f"{quoted(name)}:{remark}"
        else:
            yield f"{quoted(name)}: {'false' if entry is False else quoted(entry)}{remark}"
