"""The texts of the review page, one Fluent file for each language: another language is another file.

Fluent (https://projectfluent.org) keeps plurals, and the form of numbers and dates, in the language's own file.
"""

from collections.abc import Iterator
from datetime import datetime
from functools import cache
from importlib.resources import files

from babel import Locale
from babel.dates import format_date
from babel.numbers import format_decimal, format_percent
from fluent.runtime import FluentBundle, FluentResource

DEFAULT = "en"
_WHOLE = 0.9995


class Texts:
    """The texts of one language.

    Args:
        language: One of `LANGUAGES`.
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self._bundle = FluentBundle([language], use_isolating=False)  # isolating marks would stand in copied text
        self._bundle.add_resource(FluentResource(_file(language)))

    def __call__(self, key: str, **values: object) -> str:
        """A text with its values filled in. Raises KeyError when there is no such text, or a value is missing."""
        pattern = self._bundle.get_message(key).value  # raises KeyError
        if pattern is None:
            raise KeyError(key)
        text, problems = self._bundle.format_pattern(pattern, values)
        if problems:
            raise KeyError(f"{key}: {problems[0]}")
        return str(text)

    def has(self, key: str) -> bool:
        """Whether there is such a text."""
        return bool(self._bundle.has_message(key))

    def number(self, number: int) -> str:
        """A count, with the language's separators."""
        return str(format_decimal(number, locale=self.language))

    def date(self, moment: datetime) -> str:
        """A day, as the language writes it."""
        return str(format_date(moment, "long", locale=self.language))

    def whole_percent(self, share: float) -> str:
        """A share of 1 without decimals."""
        return str(format_percent(share, locale=self.language))

    def percent(self, share: float) -> str:
        """A share of 1 with one decimal; all but a whole one is less than 100%."""
        pattern = Locale.parse(self.language).percent_formats[None].pattern
        return str(
            format_percent(share, pattern if share >= _WHOLE else pattern.replace("##0", "##0.0"), self.language)
        )


@cache
def texts_in(language: str) -> Texts:
    """The texts of one of `LANGUAGES`."""
    return Texts(language)


def _file(language: str) -> str:
    return (files(__package__) / f"{language}.ftl").read_text(encoding="utf-8")


def _languages() -> Iterator[str]:
    for file in files(__package__).iterdir():
        if file.name.endswith(".ftl"):
            yield file.name.removesuffix(".ftl")


LANGUAGES: dict[str, str] = {code: texts_in(code)("language") for code in sorted(_languages())}
"""The name of each language in itself, by its code."""


def best_language(accepted: str) -> str:
    """The language that a browser prefers, of those that there are.

    Args:
        accepted: The header Accept-Language, such as `de-AT,de;q=0.9,en;q=0.8`.
    """
    ranked: list[tuple[float, int, str]] = []
    for place, part in enumerate(accepted.split(",")):
        tag, _, quality = part.strip().partition(";q=")
        try:
            ranked.append((-float(quality or 1), place, tag.split("-")[0].lower()))
        except ValueError:
            continue
    return next((code for _, _, code in sorted(ranked) if code in LANGUAGES), DEFAULT)
