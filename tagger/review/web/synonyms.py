"""Other words for classes, by which the search of the page finds them."""

from collections.abc import Iterable, Sequence
from importlib.resources import files

import yaml
from pydantic import TypeAdapter, ValidationError

from tagger.errors import UsageError
from tagger.io.location import Location, first_line
from tagger.review.web.plain_words import plain_words

_GROUPS = TypeAdapter(list[list[str]])
_OURS = "synonyms.yaml"


class Synonyms:
    """Groups of words that mean the same.

    Args:
        groups: The words of each.
    """

    def __init__(self, groups: Iterable[Sequence[str]]) -> None:
        self._groups = [(list(words), {_plain(word) for word in words}) for words in groups]

    @classmethod
    def load(cls, more: Location | None = None) -> "Synonyms":
        """The words that come with the page, and those of a YAML file with lists of words.

        Raises:
            UsageError: when that file cannot be read, or is something else.
        """
        groups = _parsed((files(__package__) / _OURS).read_text(encoding="utf-8"))
        if more is not None:
            try:
                groups += _parsed(more.read_bytes().decode())
            except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
                raise UsageError(
                    f"--search-words {more}: it is no YAML file with lists of words, such as '- [tees, t-shirts]': "
                    f"{first_line(error)}"
                ) from error
        return cls(groups)

    def of(self, article: str) -> list[str]:
        """The other words for an article type, each once; none where no group has its name."""
        name = _plain(article)
        others = [word for words, plain in self._groups if name in plain for word in words if _plain(word) != name]
        return [*dict.fromkeys(others)]


def _parsed(text: str) -> list[list[str]]:
    return _GROUPS.validate_python(yaml.safe_load(text) or [])


def _plain(word: str) -> str:
    """A word or several without what makes no difference, spaces included."""
    return "".join(plain_words(word))
