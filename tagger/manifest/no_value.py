"""Ways to write that a cell has no value."""

from collections.abc import Sequence

from tagger.manifest.spelling import clean

NO_VALUE = (
    "", "-", "--", "---", "–", "—", "?", ".", "NA", "N/A", "N.A.", "<NA>", "#NA", "#N/A", "#N/A N/A", "NaN", "-NaN",
    "NaT", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN", "None", "(none)", "<none>", "null", "(null)", "<null>",
    "[null]", "nil", "undefined", "\\N", "(blank)", "(empty)", "#NULL!", "#REF!", "#VALUE!", "#NAME?", "#NUM!",
    "#DIV/0!",
)  # fmt: skip
"""In any case: what pandas, SQL, spreadsheets, R and JavaScript write, and what people do."""
NO_ID = (
    "None", "NaN", "nan", "<NA>", "NaT", "null", "NULL", "(null)", "undefined", "\\N", "#N/A", "#NULL!", "#REF!",
    "#VALUE!", "#NAME?", "#NUM!", "#DIV/0!",
)  # fmt: skip
"""As programs write them: an id may well be NA, nil or a dash."""


class NoValue:
    """The spellings that mean that there is no value.

    Args:
        more: Spellings besides NO_VALUE, in any case; they hold for ids, too.
    """

    def __init__(self, more: Sequence[str] = ()) -> None:
        self._more = frozenset(clean(text).casefold() for text in more)
        self._no_ids = frozenset(("", *NO_ID))
        self._spellings = frozenset(text.casefold() for text in NO_VALUE) | self._more

    def means_none(self, text: str | float | None) -> bool:
        """Whether a cell of text has no value; what pandas has in place of a missing text is none, either."""
        return not isinstance(text, str) or clean(text).casefold() in self._spellings

    def means_no_id(self, text: str | None) -> bool:
        """Whether a trimmed cell of ids has none."""
        if text is None or text in self._no_ids:
            return True
        return bool(self._more) and clean(text).casefold() in self._more
