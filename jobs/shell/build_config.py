"""Builds a command's config from a YAML file and flags; error messages name the flag or the key."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_origin

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from tagger.errors import UsageError
from tagger.schemas.values import JobConfig
from tagger.schemas.wording import did_you_mean, in_words
from tagger.training import recipes

Config = TypeVar("Config", bound=JobConfig)
AS_ARGUMENT = "_as_argument"
"""Suffix of a parameter for a field as a positional argument."""
AS_NEGATION = "_as_negation"
"""Suffix of a parameter for the `--no-` flag of a field."""
_MOST_MESSAGES = 5


def flag_of(name: str) -> str:
    """The flag of a field."""
    return f"--{name.replace('_', '-')}"


def negation_of(name: str) -> str:
    """The flag that turns a field off."""
    return f"--no-{name.replace('_', '-')}"


def build_config(
    config: type[Config], file: Path | None, given: Mapping[str, Any], warn: Callable[[str], None] = lambda text: None
) -> Config:
    """Build a config from a file and flags.

    Args:
        config: The class of the config.
        file: YAML of some of its fields.
        given: Values of the command line, by field or one of its other names, with or without a suffix.
        warn: Takes a line for each old name.

    Raises:
        UsageError: names the flag or the file's key.
    """
    values = _current_names(config, _read(file) if file else {}, f"--config {file}: ", str, warn)
    texts = _current_names(config, _once(given), "", flag_of, warn)
    chosen = texts.get("recipe") or values.get("recipe") if "recipe" in config.model_fields else None
    before = {**(recipes.load(chosen).settings if isinstance(chosen, str) else {}), **values}
    flags = {name: _value(config, name, v) for name, v in texts.items()}
    try:
        return config.model_validate({**values, **{name: _over(before.get(name), v) for name, v in flags.items()}})
    except ValidationError as error:
        complaints = error.errors()[:_MOST_MESSAGES]
        raise UsageError("\n".join(_message_of(config, e, file, flags) for e in complaints)) from error


def _once(given: Mapping[str, Any]) -> dict[str, Any]:
    """The values that were given, by name without suffix. Raises UsageError when one was given in both ways."""
    present = {name: value for name, value in given.items() if value is not None and value != []}
    texts: dict[str, Any] = {}
    for key, value in present.items():
        name = key.removesuffix(AS_ARGUMENT).removesuffix(AS_NEGATION)
        if name in texts and key.endswith(AS_NEGATION):
            raise UsageError(f"{flag_of(name)} and {negation_of(name)}: give one of the two")
        if name in texts:
            raise UsageError(f"{name.upper()} and {flag_of(name)} are one thing: give one of the two")
        texts[name] = not value if key.endswith(AS_NEGATION) else value
    return texts


def _current_names(
    config: type[JobConfig],
    given: dict[str, Any],
    where: str,
    written: Callable[[str], str],
    warn: Callable[[str], None],
) -> dict[str, Any]:
    """Replace old names with current ones. Raises UsageError when both are given."""
    names = config.other_names()
    for old in sorted(set(given) & set(names)):
        new = names[old]
        if new in given:
            raise UsageError(f"{where}{written(old)} and {written(new)} are one thing: give {written(new)} alone")
        if old in config.old_names():
            warn(f"{where}{written(old)} is called {written(new)} now; the old name goes with the next release")
    return {names.get(name, name): value for name, value in given.items()}


def _read(file: Path) -> dict[str, Any]:
    try:
        keys = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--config {file}: cannot be read: {error}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise UsageError(f"--config {file}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(keys, dict):
        raise UsageError(f"--config {file}: holds no keys")
    return keys


def _over(before: Any, flag: Any) -> Any:
    """A flag's value, which overrides the file's; mappings are merged by key."""
    return {**before, **flag} if isinstance(before, dict) and isinstance(flag, dict) else flag


def _message_of(config: type[JobConfig], error: ErrorDetails, file: Path | None, flags: dict[str, Any]) -> str:
    message = in_words(error)
    if not error["loc"]:
        return f"--config {file}: {message}" if file else message
    key, *inner = map(str, error["loc"])
    if error["type"] == "extra_forbidden" and not inner:
        return f"--config {file}: unknown key {key!r}{did_you_mean(key, config.model_fields)}"
    if error["type"] == "missing" and not inner:
        return f"{_named(config, key)} is missing"
    by_flag = key in flags or not file
    where = flag_of(key) if by_flag else f"--config {file}: {key}"
    if get_origin(config.model_fields[key].annotation) is dict and inner:
        pair = f"{inner[0]}=…" if inner[-1] == "[key]" else f"{inner[0]}={error['input']}"
        return f"{where} {pair if by_flag else inner[0]}: {message}"
    return f"{where}: {message}"


def _named(config: type[JobConfig], key: str) -> str:
    return f"{key.upper()} (or {flag_of(key)})" if is_argument(config, key) else flag_of(key)


def is_argument(config: type[JobConfig], name: str) -> bool:
    """Whether a field may be given as a positional argument."""
    extra = config.model_fields[name].json_schema_extra
    return isinstance(extra, dict) and bool(extra.get("argument"))


def _value(config: type[JobConfig], name: str, given: Any) -> Any:
    """Turn repeated KEY=VALUE into a dict; leave everything else to pydantic."""
    if not isinstance(given, list) or get_origin(config.model_fields[name].annotation) is list:
        return given
    if len(given) == 1 and "=" not in given[0]:
        return given[0]  # one number for all keys, or pydantic complains
    pairs = [text.partition("=") for text in given]
    for (key, equals, _), text in zip(pairs, given, strict=True):
        if not equals or not key:
            raise UsageError(f"{flag_of(name)} {text}: is not KEY=VALUE")
    return {key.strip(): value.strip() for key, _, value in pairs}
