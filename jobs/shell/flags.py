"""Makes a command of a job's config: each field is a flag, `--config FILE.yaml` gives the rest, flags win.

We do not use pydantic-settings' command line, which is built on argparse: it has neither panels nor completion, and
its messages about wrong values are pydantic's.
"""

import inspect
import re
import types
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from tagger.jobs.shell.build_config import AS_ARGUMENT, AS_NEGATION, build_config, flag_of, is_argument, negation_of
from tagger.jobs.shell.outcome import ErrorLog, exit_code_of, warn
from tagger.schemas.values import JobConfig, Panel

Config = TypeVar("Config", bound=JobConfig)
_SHORT_CHOICE = 16
"""Choices with fewer characters replace the type in the help; longer ones follow the description."""
_SHARED = {
    **dict.fromkeys(("manifest", "images", "model", "run", "index"), Panel.IN_AND_OUT),
    "out": Panel.IN_AND_OUT,
}
"""Fields that mean the same in all commands."""
_PAIR = re.compile(r"[A-Z]+=[A-Z]+(?=[,: ])")
"""Start of the description of a field that takes pairs."""
_KINDS = {int: "INTEGER", float: "NUMBER"}


def command_of(config: type[Config], run: Callable[[Config, bool], int]) -> Callable[..., None]:
    """Return a function for typer whose parameters are the config's fields, `--config` and `--json`.

    Args:
        config: The job's config.
        run: Takes the config and whether `--json` was given; returns the exit code.
    """

    def command(**given: Any) -> None:
        file, as_json = given.pop("config"), given.pop("json")
        log = ErrorLog()

        def work() -> int:
            settings = build_config(config, file, given, warn)
            log.set_folder(getattr(settings, "out", None))
            return run(settings, as_json)

        raise typer.Exit(exit_code_of(work, log))

    parameters = [_argument(name, field) for name, field in config.model_fields.items() if is_argument(config, name)]
    parameters += [p for name, field in in_panels(config) for p in _parameters(config, name, field)]
    parameters += [_CONFIG_FLAG, _JSON_FLAG]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    command.__doc__ = config.__doc__
    return command


def in_panels(config: type[JobConfig]) -> list[tuple[str, FieldInfo]]:
    """A config's fields in the order of their panels; in each panel, required fields first, then the config's own."""
    order = list(Panel)
    names = list(_SHARED)
    declared = vars(config).get("__annotations__", {})

    def sort_key(item: tuple[str, FieldInfo]) -> tuple[int, bool, int, bool]:
        name, field = item
        rank = names.index(name) if name in names else len(names)
        return order.index(panel_of(config, name)), not field.is_required(), rank, name not in declared

    return sorted(config.model_fields.items(), key=sort_key)


def panel_of(config: type[JobConfig], name: str) -> Panel:
    """The panel of a field: that of the class that declares it first, unless all commands share its name."""
    if name in _SHARED:
        return _SHARED[name]
    first = next(base for base in reversed(config.__mro__) if name in vars(base).get("__annotations__", {}))
    panel: Panel = vars(first).get("panel", Panel.SETTINGS)
    return panel


def _argument(name: str, field: FieldInfo) -> inspect.Parameter:
    """The positional argument of a field."""
    return _parameter(name + AS_ARGUMENT, _kind(field), typer.Argument(metavar=name.upper(), hidden=True))


def _kind(field: FieldInfo) -> Any:
    """What typer reads a field as."""
    base = _base_type(field.annotation)
    return bool if base is bool else list[str] if get_origin(base) in (dict, list) else str


def _parameters(config: type[JobConfig], name: str, field: FieldInfo) -> Iterable[inspect.Parameter]:
    """Parameters of a field beside its positional argument: its flag, and its old names."""
    base, kind = _base_type(field.annotation), _kind(field)
    also = [flag_of(second) for second, of in config.second_names().items() if of == name]
    choices = _choices(base)
    option = typer.Option(
        flag_of(name),
        *also,
        help=_help(name, field),
        show_default=False,
        metavar=metavar_of(field),
        rich_help_panel=panel_of(config, name),
        autocompletion=_completing(choices) if choices else None,
    )
    yield _parameter(name, kind, option)
    if kind is bool:
        yield _parameter(name + AS_NEGATION, kind, typer.Option(negation_of(name), hidden=True))
    for old, of in config.old_names().items():
        if of == name:
            yield _parameter(old, kind, typer.Option(flag_of(old), hidden=True))


def _parameter(name: str, kind: Any, declared: Any) -> inspect.Parameter:
    annotation: Any = Annotated[kind | None, declared]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _base_type(annotation: Any) -> Any:
    """A field's type without None. Flags are read as text, and pydantic checks them, as it does a file's values."""
    if get_origin(annotation) in (Union, types.UnionType):
        return next(a for a in get_args(annotation) if a is not type(None))
    return annotation


def _choices(base: Any) -> list[str]:
    (inner,) = get_args(base) if get_origin(base) is list else (base,)
    return [str(choice) for choice in get_args(inner)] if get_origin(inner) is Literal else []


def _completing(choices: list[str]) -> Callable[[str], list[str]]:
    def completed(incomplete: str) -> list[str]:
        return [choice for choice in choices if choice.startswith(incomplete)]

    return completed


def _together(choices: list[str]) -> str:
    return (" " if "|" in choices else "|").join(choices)


def _help(name: str, field: FieldInfo) -> str:
    """The description with choices and default, in rich markup."""
    parts = [escaped(field.description or "")]
    choices = _choices(_base_type(field.annotation))
    if len(_together(choices)) > _SHORT_CHOICE:
        parts.append(f"[yellow]{escaped(f'[{_together(choices)}]')}[/yellow]")
    if field.is_required():
        parts.append(r"[red]\[required][/red]")
    elif field.default is None and _base_type(field.annotation) is bool:
        parts.append(f"[dim]{escaped(f'[or {negation_of(name)}]')}[/dim]")
    elif default := _default(name, field):
        parts.append(f"[dim]{escaped(f'[default: {default}]')}[/dim]")
    return " ".join(filter(None, parts))


def escaped(text: str) -> str:
    """Text with brackets escaped for rich markup."""
    return text.replace("[", r"\[")


def _default(name: str, field: FieldInfo) -> str:
    default: object = field.default
    if _base_type(field.annotation) is bool:
        return f"on; {negation_of(name)}" if default else ""
    if default in (None, {}, [], ""):
        return ""
    if isinstance(default, dict):
        return ", ".join(f"{key}={value}" for key, value in default.items())
    return ", ".join(map(str, default)) if isinstance(default, list) else str(default)


def metavar_of(field: FieldInfo) -> str:
    """Placeholder of a field's value in the help; empty for a boolean."""
    base = _base_type(field.annotation)
    choices = _choices(base)
    if base is bool:
        return ""
    if choices:
        together = _together(choices)
        return together if len(together) <= _SHORT_CHOICE else "CHOICE"
    if get_origin(base) is dict:
        begins = _PAIR.match(field.description or "")
        return begins[0] if begins else "KEY=VALUE"
    (inner,) = get_args(base) if get_origin(base) is list else (base,)
    return _KINDS.get(_bare(inner), "TEXT")


def _bare(annotation: Any) -> Any:
    """A type without its pydantic annotations."""
    return get_args(annotation)[0] if hasattr(annotation, "__metadata__") else annotation


_CONFIG_FLAG = inspect.Parameter(
    "config",
    inspect.Parameter.KEYWORD_ONLY,
    default=None,
    annotation=Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE.yaml",
            help="YAML of these settings, by the flags' names with _ for -; flags win over it.",
            rich_help_panel=Panel.ALL_COMMANDS,
        ),
    ],
)
_JSON_FLAG = inspect.Parameter(
    "json",
    inspect.Parameter.KEYWORD_ONLY,
    default=False,
    annotation=Annotated[
        bool,
        typer.Option("--json", help="Print one JSON document, for machines.", rich_help_panel=Panel.ALL_COMMANDS),
    ],
)
