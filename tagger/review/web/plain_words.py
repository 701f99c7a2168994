"""Words without what makes no difference, as the page's search has them, and class names in titles."""

import re
import unicodedata
from functools import lru_cache

from tagger.review.store.leaves import Leaves

_MOST_REMEMBERED = 20_000
_MOST_CATALOGUES = 4
_WORD = re.compile(r"[^\W_]+")
_TO_F = re.compile(r"(ar|l)ves$")  # scarves, shelves
_PLURAL = re.compile(r"(s|x|ch|sh)es$")


@lru_cache(_MOST_REMEMBERED)
def plain_words(text: str) -> tuple[str, ...]:
    """Words in small letters, without hyphens, accents and the s of a plural."""
    letters = "".join(c for c in unicodedata.normalize("NFD", text.casefold()) if not unicodedata.combining(c))
    return tuple(map(_singular, _WORD.findall(letters.replace("-", "").replace("'s", ""))))


def named_in(title: str, leaves: Leaves) -> str | None:
    """The article type that a title names, by the longest name in it; None where it names none, or several.

    A title that names a class says more than a model of titles, which has not learnt the rare ones.
    """
    words, names = plain_words(title), _by_words(tuple(leaves.articles))
    for length in range(max(map(len, names), default=0), 0, -1):
        parts = {words[at : at + length] for at in range(len(words) - length + 1)}
        if found := [names[part] for part in parts if part in names]:
            return found[0] if len(found) == 1 else None
    return None


@lru_cache(_MOST_CATALOGUES)
def _by_words(articles: tuple[str, ...]) -> dict[tuple[str, ...], str]:
    return {plain_words(article): article for article in articles}


def _singular(word: str) -> str:
    if _TO_F.search(word):
        return f"{word[:-3]}f"
    if len(word) > 4 and _PLURAL.search(word):
        return word[:-2]
    is_plural = len(word) > 3 and word.endswith("s") and not word.endswith("ss")
    return word[:-1] if is_plural else word
