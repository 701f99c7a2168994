"""The commands and their flags, as the command line itself knows them."""

import re
from collections.abc import Iterator
from typing import cast

import typer.main
from rich.text import Text
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from scripts.markdown import cell, code, table
from tagger.jobs.shell.cli import app

_DEFAULT = re.compile(r"\s*\[default: (?P<value>.*)\]\s*$")
_REQUIRED = re.compile(r"\s*\[required\]\s*$")
_SHARED = {"config", "json", "as_json", "help"}

Parameter = TyperOption | TyperArgument


def command_group() -> TyperGroup:
    """The whole command line."""
    return cast(TyperGroup, typer.main.get_command(app))


def all_commands() -> dict[str, TyperCommand]:
    """The commands by name, in the order of `tagger --help`."""
    return {
        name: cast(TyperCommand, command) for name, command in command_group().commands.items() if not command.hidden
    }


def commands() -> str:
    """A section for each command."""
    return "\n\n".join(_section(name, command) for name, command in all_commands().items())


def overview() -> str:
    """A table of all commands."""
    rows = [(f"[`tagger {name}`](#tagger-{name})", _brief(command)) for name, command in all_commands().items()]
    return table(["command", "what it does"], rows)


def _brief(command: TyperCommand) -> str:
    return cell(re.split(r"\n\s*\n", (command.help or "").strip())[0])


def shared_flags() -> str:
    """The flags of `tagger` itself, and those that every command has."""
    rows = [*_rows(_parameters(command_group())), *_rows(_parameters(all_commands()["check"]), of_all=True)]
    return table(["flag", "what it does"], [(flag, text) for flag, _, text in rows])


def _parameters(command: TyperCommand | TyperGroup) -> list[Parameter]:
    return [cast(Parameter, parameter) for parameter in command.params]


def _section(name: str, command: TyperCommand) -> str:
    usage = " ".join(
        [f"tagger {name}", *command.collect_usage_pieces(command.make_context(name, [], resilient_parsing=True))]
    )
    parts = [f"## tagger {name}", _prose(_plain(command.help)), f"`{usage}`"]
    for title, rows in _panels(command):
        if title:
            parts.append(f"**{title}**")
        parts.append(table(["flag", "default", "what it does"], rows))
    if command.epilog:
        parts.append(_examples(command.epilog))
    return "\n\n".join(part for part in parts if part)


def _panels(command: TyperCommand) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """Flags by the panel of the help that they stand in; those without one first."""
    panels: dict[str, list[Parameter]] = {}
    for parameter in _parameters(command):
        panels.setdefault(str(parameter.rich_help_panel or ""), []).append(parameter)
    for title, parameters in panels.items():
        rows = list(_rows(parameters))
        if rows:
            yield title, rows


def _rows(parameters: list[Parameter], of_all: bool = False) -> Iterator[tuple[str, str, str]]:
    for parameter in parameters:
        if parameter.hidden or (parameter.name in _SHARED) != of_all or "completion" in str(parameter.name):
            continue
        text = _plain(parameter.help)
        required = bool(_REQUIRED.search(text)) or parameter.required
        default = _DEFAULT.search(text)
        text = _REQUIRED.sub("", _DEFAULT.sub("", text))
        stands_in = "**required**" if required else code(default["value"]) if default else ""
        yield _written(parameter), stands_in, cell(text)


def _plain(text: str | None) -> str:
    """A help text without its colours."""
    return Text.from_markup(text or "").plain


def _written(parameter: Parameter) -> str:
    if isinstance(parameter, TyperArgument):
        return code(str(parameter.name).upper())
    flags = ", ".join(parameter.opts)
    return code(flags if parameter.is_flag else f"{flags} {parameter.metavar or 'TEXT'}")


def _prose(text: str | None) -> str:
    """A command's help: paragraphs, and examples, which are indented, as code."""
    paragraphs = re.split(r"\n\s*\n", (text or "").replace("\b\n", "").strip())
    return "\n\n".join(_examples(p) if p.startswith((" ", "tagger ", "Example")) else cell(p) for p in paragraphs)


def _examples(text: str) -> str:
    """Examples as code; a line that is none stands before it as a word."""
    text = re.sub(r" \\\n\s+", " ", text.replace("\b", ""))  # a call in several lines is one
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    calls = [line for line in lines if line.startswith(("tagger ", "$ tagger ", "#"))]
    others = [line for line in lines if line not in calls]
    block = '```sh not_run="an example of the command\'s help"\n' + "\n".join(calls) + "\n```" if calls else ""
    return "\n\n".join(part for part in (cell(" ".join(others)), block) if part)
