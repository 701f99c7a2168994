"""Words of a text in any script. Some scripts do not separate words: there, overlapping letters stand for them."""

import re

_PAIRED = (
    "\u2e80-\u2fdf\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
    "\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"  # Hiragana and Katakana
)
_TRIPLED = "\u0e01-\u0e4e\u0e81-\u0ece\u1000-\u109f\u1780-\u17d3"  # Thai, Lao, Burmese and Khmer
_INDIC = "\u0900-\u0963\u0966-\u0dff"
WITH_SIGNS = _TRIPLED + _INDIC
"""Ranges of letters and of vowel signs, which a regular expression does not count as letters."""
SPACELESS = _PAIRED + _TRIPLED
"""Ranges of letters of the scripts that do not separate words."""
_WORD = re.compile(f"([{_PAIRED}]+)|([{_TRIPLED}]+)|((?:[^\\W{SPACELESS}]|[{_INDIC}]){{2,}})")
_HAS_SPACELESS = re.compile(f"[{SPACELESS}]")


def words_of(text: str) -> list[str]:
    """The words of two letters or more, in their order.

    Chinese and Japanese count by each two neighbouring letters, as in Lucene's CJKBigramFilter; Thai, Lao, Burmese and
    Khmer by each three, as their letters are fewer and stand for sounds. A shorter run of such letters is one word.

    Args:
        text: In lower case, without accents.
    """
    return [
        word for pairs, triples, word in _WORD.findall(text)
        for word in ([word] if word else _overlapping(pairs, 2) if pairs else _overlapping(triples, 3))
    ]  # fmt: skip


def has_no_spaces(text: str) -> bool:
    """Whether a text has letters of a script that does not separate words."""
    return not text.isascii() and _HAS_SPACELESS.search(text) is not None


def _overlapping(run: str, length: int) -> list[str]:
    return [run[n : n + length] for n in range(max(1, len(run) - length + 1))]
