"""The public names of the library with their signatures and docstrings."""

import inspect
import re
from enum import Enum, EnumType
from types import FunctionType

import tagger
from scripts.markdown import cell, code, table

_SECTION = re.compile(r"^(Args|Attributes|Returns|Yields|Raises|Example|Examples|Note)::?\s*$", re.MULTILINE)
_MODULE = re.compile(r"\b(?:[a-z_]+\.)+(?=[A-Za-z])")
_OBJECT = re.compile(r"<[^<>]* object at 0x[0-9a-f]+>")
_ENTRY = re.compile(r"^(?P<name>\*{0,2}[\w.]+)(?: \([^)]*\))?: (?P<text>.*)$")


def public_names() -> str:
    """A table of all names, then a section for each function and class."""
    names = [name for name in tagger.__all__ if not name.startswith("__")]
    objects = {name: getattr(tagger, name) for name in names}
    rows = [(f"[{code(name)}](#{name.lower()})", cell(_first_line(thing))) for name, thing in objects.items()]
    return "\n\n".join([table(["name", "what it is"], rows), *(_section(n, o) for n, o in objects.items())])


def _section(name: str, thing: object) -> str:
    parts = [f"## {name}", _signature(name, thing), _docstring(thing)]
    if inspect.isclass(thing):
        for method, function in vars(thing).items():
            inner = function.__func__ if isinstance(function, classmethod | staticmethod) else function
            if isinstance(inner, FunctionType) and not method.startswith("_"):
                call = f"{name}.{method}"
                parts += [f"### {call}", _signature(call, inner), _docstring(inner)]
    return "\n\n".join(part for part in parts if part)


def _signature(name: str, thing: object) -> str:
    if hasattr(thing, "model_fields"):
        return f"The keys are those of [its command](config.md); a key is an argument of `{name}(…)`."
    if isinstance(thing, EnumType):  # its constructor is Python's, whose signature differs from version to version
        members: list[Enum] = list(thing)
        return f"One of {', '.join(code(str(member.value)) for member in members)}."
    if not callable(thing):
        return ""
    try:
        signature = inspect.signature(thing)
    except (TypeError, ValueError):
        return ""
    parameters = [p for p in signature.parameters.values() if p.name not in ("self", "cls")]
    text = str(signature.replace(parameters=parameters))
    if len(name) + len(text) > 90:
        inner = "".join(f"    {parameter},\n" for parameter in map(str, parameters))
        end = "" if signature.return_annotation is inspect.Signature.empty else text[text.rindex(")") + 1 :]
        text = f"(\n{inner}){end}"
    text = _OBJECT.sub("…", _MODULE.sub("", text))
    return f'```python not_run="a signature"\n{name}{text}\n```'


def _docstring(thing: object) -> str:
    """A docstring in Google's form as Markdown: its sections become lists."""
    parts = _SECTION.split(inspect.getdoc(thing) or "")
    blocks = [parts[0].strip()]
    for title, text in zip(parts[1::2], parts[2::2], strict=True):
        body = inspect.cleandoc(text)
        if title.startswith("Example"):
            blocks.append(f'**{title}**\n\n```python not_run="a doctest"\n{body}\n```')
        elif title in ("Returns", "Yields", "Note"):
            blocks.append(f"**{title}**: {' '.join(body.split())}")
        else:
            blocks.append(f"**{title}**\n\n{_entries(body)}")
    return "\n\n".join(block for block in blocks if block)


def _entries(text: str) -> str:
    lines: list[str] = []
    for line in text.splitlines():
        entry = _ENTRY.match(line)
        if entry:
            lines.append(f"- `{entry['name']}`: {entry['text']}")
        elif lines:
            lines[-1] += f" {line.strip()}"
        elif line.strip():
            lines.append(line.strip())
    return "\n".join(lines)


def _first_line(thing: object) -> str:
    return (inspect.getdoc(thing) or "").split("\n\n")[0]
