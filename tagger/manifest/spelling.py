"""Spellings of labels: what is trimmed on reading, and which labels differ in spelling alone."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

INVISIBLE = (
    "\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u2800\u3164\ufeff\uffa0\ufff9-\ufffb"
)
"""Control and format characters, soft hyphens, joiners, marks of direction and fillers, for a regular expression."""
_AROUND = re.compile(rf"^[\s{INVISIBLE}]+|[\s{INVISIBLE}]+$")
_NOT_SEEN = re.compile(rf"[\s{INVISIBLE}]+")


def clean(text: str) -> str:
    """A text without white space and invisible characters around it, in the composed Unicode form (NFC)."""
    return unicodedata.normalize("NFC", _AROUND.sub("", text))


def mended(text: str) -> list[str]:
    """The corrections that `clean` makes to a text, in words; empty where it changes nothing."""
    if text == clean(text):
        return []
    trimmed = _AROUND.sub("", text)
    around = text[: text.find(trimmed)] + text[text.find(trimmed) + len(trimmed) :]
    done = []
    if any(c.isspace() for c in around):
        done.append("space around")
    if any(not c.isspace() for c in around):
        done.append("invisible characters around")
    if trimmed != unicodedata.normalize("NFC", trimmed):
        done.append("Unicode form")
    return done


def same_letters(text: str) -> str:
    """A key that is equal for labels that differ in case, spaces, invisible characters or Unicode form alone."""
    return _NOT_SEEN.sub("", unicodedata.normalize("NFKC", text)).casefold()


def look_alike(text: str) -> str:
    """A key that is equal also for labels that differ in hyphens, other punctuation or accents."""
    letters = unicodedata.normalize("NFKD", same_letters(text))
    return "".join(c for c in letters if c.isalnum()) or letters


def variants(counts: Mapping[str, int], key: Callable[[str], str] = same_letters) -> list[dict[str, int]]:
    """Groups of two or more labels with one key; groups and their labels by falling count, then by name."""
    groups: dict[str, dict[str, int]] = defaultdict(dict)
    for name, count in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])):
        groups[key(name)][name] = count
    several = [group for group in groups.values() if len(group) > 1]
    return sorted(several, key=lambda group: (-sum(group.values()), next(iter(group))))


def most_frequent(counts: Mapping[str, int]) -> dict[str, str]:
    """From each label to its most frequent spelling; ties go to the first by name."""
    return {name: next(iter(group)) for group in variants(counts) for name in group}


def visible(text: str) -> str:
    """A label for messages: with quotes and escapes where it has invisible characters or double spaces."""
    return repr(text) if re.search(r"\s\s", text) or not text.isprintable() else text


class Names:
    """Finds the known name that a label stands for.

    Args:
        names: The names.
        by_letters: Whether a label may differ from a name in case, spaces, invisible characters and Unicode form.
    """

    def __init__(self, names: Iterable[str], by_letters: bool) -> None:
        order = sorted(names, reverse=True)
        self._names = {clean(name): name for name in order} | {name: name for name in order}
        self._letters = {same_letters(name): name for name in order} if by_letters else {}

    def of(self, label: str) -> str | None:
        """The name that a label stands for; None for an unknown label."""
        exact = self._names.get(label)
        return exact if exact is not None or not self._letters else self._letters.get(same_letters(label))
