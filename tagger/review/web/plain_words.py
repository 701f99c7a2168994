"""Words without what makes no difference, as the page's search has them, and class names in titles."""

import re
import unicodedata
from functools import lru_cache

from tagger.review.store.leaves import Leaves

_MOST_REMEMBERED = 20_000
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
    words = plain_words(title)
    found: dict[str, int] = {}
    for article in leaves.articles:
        name = plain_words(article)
        if name and any(words[at : at + len(name)] == name for at in range(len(words) - len(name) + 1)):
            found[article] = len(name)
    longest = [article for article, length in found.items() if length == max(found.values())]
    return longest[0] if len(longest) == 1 else None


def _singular(word: str) -> str:
    if _TO_F.search(word):
        return f"{word[:-3]}f"
    if len(word) > 4 and _PLURAL.search(word):
        return word[:-2]
    is_plural = len(word) > 3 and word.endswith("s") and not word.endswith("ss")
    return word[:-1] if is_plural else word
