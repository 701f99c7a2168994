"""Layout of `--help`: usage with required arguments, examples, full width of the terminal, plain text in a pipe."""

import inspect
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer.core

from tagger.jobs.shell.build_config import flag_of, is_argument
from tagger.jobs.shell.flags import escaped, in_panels, metavar_of
from tagger.schemas.values import JobConfig, Panel

_EXAMPLE_WIDTH = 74
_WIDTH_IN_A_PIPE = 120
"""Wide enough that no description is cut into many lines, narrow enough to be read."""


def command_class(config: type[JobConfig]) -> type[typer.core.TyperCommand]:
    """A command whose usage line names what its config needs."""

    class Command(typer.core.TyperCommand):
        def collect_usage_pieces(self, ctx: Any) -> list[str]:
            return [*usage_of(config), "[OPTIONS]"]

        def get_params(self, ctx: Any) -> Any:
            return _without_types(super().get_params(ctx), Panel.ALL_COMMANDS)

        def format_help(self, ctx: Any, formatter: Any) -> None:
            with _full_width():
                super().format_help(ctx, formatter)

    return Command


class Commands(typer.core.TyperGroup):
    """All commands."""

    def get_params(self, ctx: Any) -> Any:
        """Its own options."""
        return _without_types(super().get_params(ctx), None)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the commands in their panels; the own options, which are rarely needed, follow in the epilog."""
        options = self.get_params(ctx)
        for option in options:
            option.hidden = True
        try:
            with _full_width():
                super().format_help(ctx, formatter)
        finally:
            for option in options:
                option.hidden = False


def _without_types(parameters: Sequence[Any], panel: str | None) -> Sequence[Any]:
    """Hide the type of boolean options in the help, and put --help into its panel."""
    for parameter in parameters:
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
        if parameter.name == "help" and panel:
            parameter.rich_help_panel = panel
    return parameters


def usage_of(config: type[JobConfig]) -> list[str]:
    """A command's usage: positional arguments, then required flags."""
    arguments = []
    for name, field in config.model_fields.items():
        if is_argument(config, name):
            piece = f"[{flag_of(name)}] {name.upper()}" + ("..." if _is_list(field.annotation) else "")
            arguments.append(piece if field.is_required() else f"[{piece}]")
    required = [(name, field) for name, field in in_panels(config) if field.is_required()]
    flags = [f"{flag_of(name)} {metavar_of(field)}" for name, field in required if not is_argument(config, name)]
    return [*arguments, *flags]


def help_of(command: str, config: type[JobConfig]) -> str:
    """A command's help in rich markup: its description and examples."""
    calls = [_in_lines(f"tagger {command} {example}".rstrip()) for example in config.examples]
    title = "[bold]Example[/bold]" if len(calls) == 1 else "[bold]Examples[/bold]"
    shown = "\n".join([title, *(f"  [cyan]{escaped(call)}[/cyan]" for call in calls)]) if calls else ""
    about = inspect.cleandoc(config.__doc__ or "")
    return "\n\n".join(filter(None, (escaped(about), shown)))


def _in_lines(call: str) -> str:
    """A command line to paste, wrapped for a terminal of 80 columns."""
    lines: list[str] = []
    for piece in re.split(r" (?=--)", call):  # a flag and its value stay together
        if lines and len(lines[-1]) + len(piece) < _EXAMPLE_WIDTH:
            lines[-1] += f" {piece}"
        else:
            lines.append(piece)
    return " \\\n      ".join(lines)


def _is_list(annotation: object) -> bool:
    return getattr(annotation, "__origin__", None) is list


@contextmanager
def _full_width() -> Iterator[None]:
    """Make typer's help use the full width of the terminal, or a readable width without a terminal.

    In a pipe there are no colours, even if an environment variable of a build service turns them on in typer, unless
    FORCE_COLOR is set.
    """
    from typer import rich_utils

    before = rich_utils.MAX_WIDTH, rich_utils.FORCE_TERMINAL
    is_seen = any(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))
    rich_utils.MAX_WIDTH = None if is_seen or os.environ.get("COLUMNS") else _WIDTH_IN_A_PIPE
    rich_utils.FORCE_TERMINAL = None
    try:
        yield
    finally:
        rich_utils.MAX_WIDTH, rich_utils.FORCE_TERMINAL = before
