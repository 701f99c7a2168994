"""Messages for pydantic's validation errors, in the words of this project."""

import difflib
from collections.abc import Callable, Iterable
from typing import Any

from pydantic_core import ErrorDetails

_SHORT = 60
"""Longer values are not repeated in a message."""


def in_words(error: ErrorDetails) -> str:
    """Say what is wrong with a value; the caller adds its location."""
    limits = error.get("ctx", {})
    if error["type"] in _WORDS:
        return _WORDS[error["type"]](error["input"], limits)
    return error["msg"].removeprefix("Value error, ")


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """` (did you mean NAME?)` with the known name that is nearest to a wrong one; empty if none is near."""
    by_letters = {_letters(one): one for one in known}
    near = difflib.get_close_matches(_letters(str(name)), by_letters, n=1)
    return f" (did you mean {by_letters[near[0]]}?)" if near else ""


def listed(names: Iterable[object]) -> str:
    """`a, b and c`."""
    *most, last = map(str, names)
    return f"{', '.join(most)} and {last}" if most else last


def _letters(name: str) -> str:
    return name.lower().replace("-", "_")


def _quoted(value: object) -> str:
    """A value as it was written; `true` and `null` as in YAML."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _SHORT else f"{text[:_SHORT]}…"


def _choice(value: object, limits: dict[str, Any]) -> str:
    choices = [text.strip().strip("'") for text in limits["expected"].replace(" or ", ",").split(",")]
    choices = [text or "," for text in choices]  # one of the choices is a comma
    known = list(dict.fromkeys(choices))
    return f"{_quoted(value)} is none of {listed(known)}{did_you_mean(value, known)}"


def _is_not(kind: str) -> Callable[[object, dict[str, Any]], str]:
    return lambda value, limits: f"{_quoted(value)} is not {kind}"


def _at_most(value: object, limits: dict[str, Any]) -> str:
    text = _limit("le", "{} or less")(value, limits)
    return text + _as_share(value) if limits["le"] == 1 else text


def _below(value: object, limits: dict[str, Any]) -> str:
    text = _limit("lt", "less than {}")(value, limits)
    return text + _as_share(value) if limits["lt"] == 1 else text


def _as_share(value: object) -> str:
    """`, such as 0.95 for 95%` for a share that was given in percent."""
    try:
        percent = float(str(value))
    except ValueError:
        return ""
    return f", such as {percent / 100:.6g} for {percent:g}%" if 2 <= percent < 100 else ""


def _limit(key: str, words: str) -> Callable[[object, dict[str, Any]], str]:
    return lambda value, limits: f"{_quoted(value)} is out of range; it must be {words.format(limits[key])}"


_WORDS: dict[str, Callable[[Any, dict[str, Any]], str]] = {
    "missing": lambda value, limits: "is missing",
    "int_parsing": _is_not("a whole number"),
    "int_type": _is_not("a whole number"),
    "int_from_float": _is_not("a whole number"),
    "int_parsing_size": _is_not("a whole number of usual size"),
    "float_parsing": _is_not("a number"),
    "float_type": _is_not("a number"),
    "finite_number": _is_not("a finite number"),
    "bool_parsing": _is_not("true or false"),
    "bool_type": _is_not("true or false"),
    "string_type": _is_not("text; put it into quotes"),
    "list_type": _is_not("a list"),
    "dict_type": _is_not("KEY=VALUE"),
    "literal_error": _choice,
    "enum": _choice,
    "greater_than_equal": _limit("ge", "{} or more"),
    "greater_than": _limit("gt", "more than {}"),
    "less_than_equal": _at_most,
    "less_than": _below,
    "too_short": lambda value, limits: f"is too short; name {limits['min_length']} or more",
    "string_too_short": lambda value, limits: f"is too short; it has {limits['min_length']} characters or more",
    "string_pattern_mismatch": lambda value, limits: f"{_quoted(value)} is not of the form {limits['pattern']}",
}
"""By pydantic's types of errors. A text that is too short may be a secret, and is not repeated."""
