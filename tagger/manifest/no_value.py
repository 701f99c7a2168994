"""Ways to write that a cell has no value."""

from collections.abc import Sequence

from tagger.manifest.spelling import clean

NO_VALUE = (
    "", "-", "--", "---", "–", "—", "?", ".", "NA", "N/A", "N.A.", "<NA>", "#NA", "#N/A", "#N/A N/A", "NaN", "-NaN",
    "NaT", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN", "None", "(none)", "<none>", "null", "(null)", "<null>",
    "[null]", "nil", "undefined", "\\N", "(blank)", "(empty)", "#NULL!", "#REF!", "#VALUE!", "#NAME?", "#NUM!",
    "#DIV/0!",
)  # fmt: skip
"""Compared without case: spellings of pandas, SQL, spreadsheets, R, JavaScript, and of people."""
NO_ID = (
    "None", "NaN", "nan", "<NA>", "NaT", "null", "NULL", "(null)", "undefined", "\\N", "#N/A", "#NULL!", "#REF!",
    "#VALUE!", "#NAME?", "#NUM!", "#DIV/0!",
)  # fmt: skip
"""Spellings of programs alone: an id may well be NA, nil or a dash."""


class NoValue:
    """Recognises spellings of an empty cell.

    Args:
        more: Further spellings beside NO_VALUE, in any case; they apply to ids, too.
    """

    def __init__(self, more: Sequence[str] = ()) -> None:
        self._more = frozenset(clean(text).casefold() for text in more)
        self._no_ids = frozenset(("", *NO_ID))
        self._spellings = frozenset(text.casefold() for text in NO_VALUE) | self._more

    @property
    def more(self) -> frozenset[str]:
        """The further spellings, trimmed and without case."""
        return self._more

    def means_none(self, text: str | float | None) -> bool:
        """Whether a text cell has no value; pandas' markers of missing text have none."""
        return not isinstance(text, str) or clean(text).casefold() in self._spellings

    def means_no_id(self, text: str | None) -> bool:
        """Whether a trimmed id cell has no id."""
        if text is None or text in self._no_ids:
            return True
        return bool(self._more) and clean(text).casefold() in self._more
