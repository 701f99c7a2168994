"""Makes a command of a job's config: each field is a flag, `--config FILE.yaml` gives the rest, flags win."""

import inspect
import types
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import typer
import yaml
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from tagger.errors import UsageError
from tagger.jobs.shell.outcome import ErrorLog, exit_code_of
from tagger.schemas.values import JobConfig
from tagger.training import recipes

Config = TypeVar("Config", bound=JobConfig)


def command_of(config: type[Config], run: Callable[[Config, bool], int]) -> Callable[..., None]:
    """Return a function for typer whose parameters are the config's fields, `--config` and `--json`.

    Args:
        config: The job's config; its docstring becomes the help.
        run: Takes the config and whether `--json` was given; returns the exit code.
    """

    def command(**given: Any) -> None:
        file, as_json = given.pop("config"), given.pop("json")
        log = ErrorLog()

        def work() -> int:
            asked = build(config, file, given)
            log.lie_in(getattr(asked, "out", None))
            return run(asked, as_json)

        raise typer.Exit(exit_code_of(work, log))

    own = config.__annotations__
    order = sorted(
        config.model_fields.items(), key=lambda f: (not f[1].is_required(), f[0] != "images", f[0] not in own)
    )
    parameters = [_parameter(name, field) for name, field in order]
    parameters += [_CONFIG_FLAG, _JSON_FLAG]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    command.__doc__ = config.__doc__
    return command


def build(config: type[Config], file: Path | None, given: dict[str, Any]) -> Config:
    """Build a config from a file and flags. Raises UsageError that names the flag or the file's key."""
    values = _read(file) if file else {}
    chosen = given.get("recipe") or values.get("recipe") if "recipe" in config.model_fields else None
    before = {**(recipes.load(str(chosen)).settings if chosen else {}), **values}
    flags = {name: _value(config, name, v) for name, v in given.items() if v is not None and v != []}
    try:
        return config.model_validate({**values, **{name: _over(before.get(name), v) for name, v in flags.items()}})
    except ValidationError as error:
        raise UsageError("\n".join(_explain(config, e, file, flags) for e in error.errors()[:5])) from error


def _read(file: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--config {file}: cannot be read: {error}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise UsageError(f"--config {file}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict):
        raise UsageError(f"--config {file}: holds no keys")
    return found


def _over(before: Any, flag: Any) -> Any:
    """A flag over the file's value: of pairs, key by key."""
    return {**before, **flag} if isinstance(before, dict) and isinstance(flag, dict) else flag


def _explain(config: type[JobConfig], error: Any, file: Path | None, flags: dict[str, Any]) -> str:
    message = str(error["msg"]).removeprefix("Value error, ")
    if not error["loc"]:
        return f"--config {file}: {message}" if file else message
    key = str(error["loc"][0])
    where = f"--{key.replace('_', '-')}" if key in flags or not file else f"--config {file}: {key}"
    match error["type"]:
        case "extra_forbidden":
            return f"--config {file}: unknown key {key!r}"
        case "missing":
            return f"{_flag_of(config, key)} is missing"
        case _:
            inner = ".".join(str(part) for part in error["loc"][1:])
            return f"{where}{f' {inner}' if inner else ''}: {message}"


def _parameter(name: str, field: FieldInfo) -> inspect.Parameter:
    base = _base_type(field.annotation)
    kind = bool if base is bool else list[str] if get_origin(base) in (dict, list) else str
    if isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("argument"):
        argument: Any = Annotated[kind | None, typer.Argument(help=_help(field), show_default=False)]
        return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=argument)
    flag = f"--{name.replace('_', '-')}"
    declared = [f"{flag}/--no-{flag[2:]}"] if kind is bool else [flag]
    option = typer.Option(*declared, help=_help(field), show_default=False, metavar=_metavar(base))
    annotation: Any = Annotated[kind | None, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _flag_of(config: type[JobConfig], key: str) -> str:
    extra = config.model_fields[key].json_schema_extra
    return key.upper() if isinstance(extra, dict) and extra.get("argument") else f"--{key.replace('_', '-')}"


def _base_type(annotation: Any) -> Any:
    """A field's type without None. Flags are read as text, and pydantic checks them, as it does a file's values."""
    if get_origin(annotation) in (Union, types.UnionType):
        return next(a for a in get_args(annotation) if a is not type(None))
    return annotation


def _help(field: FieldInfo) -> str:
    text = field.description or ""
    if field.is_required():
        return f"{text} [required]"
    default = field.default
    if default in (None, {}, [], ""):
        return text
    if isinstance(default, dict):
        default = ", ".join(f"{k}={v}" for k, v in default.items())
    return f"{text} [default: {str(default).lower() if isinstance(default, bool) else default}]"


def _metavar(base: Any) -> str | None:
    if get_origin(base) is Literal:
        return "|".join(map(str, get_args(base)))
    if get_origin(base) is dict:
        return "KEY=VALUE"
    return {int: "INTEGER", float: "NUMBER", bool: None}.get(base, "TEXT")


def _value(config: type[JobConfig], name: str, given: Any) -> Any:
    """Turn repeated KEY=VALUE into a dict; leave everything else to pydantic."""
    if not isinstance(given, list) or get_origin(config.model_fields[name].annotation) is list:
        return given
    if len(given) == 1 and "=" not in given[0] and get_origin(config.model_fields[name].annotation) is dict:
        return given[0]
    pairs = [text.partition("=") for text in given]
    for (key, equals, _), text in zip(pairs, given, strict=True):
        if not equals or not key:
            raise UsageError(f"--{name.replace('_', '-')} {text}: is not KEY=VALUE")
    return {key.strip(): value.strip() for key, _, value in pairs}


_CONFIG_FLAG = inspect.Parameter(
    "config",
    inspect.Parameter.KEYWORD_ONLY,
    default=None,
    annotation=Annotated[Path | None, typer.Option("--config", help="YAML file of these settings; flags win over it.")],
)
_JSON_FLAG = inspect.Parameter(
    "json",
    inspect.Parameter.KEYWORD_ONLY,
    default=False,
    annotation=Annotated[bool, typer.Option("--json", help="Print one JSON document, for machines.")],
)
