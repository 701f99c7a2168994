"""What a person should know of how a manifest was read, each thing said once."""

from collections.abc import Callable


class Notices:
    """Sentences, in the order in which they arose.

    A manifest is read several times by some commands; a notice with a key that was given before is not repeated.
    """

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._keys: set[str] = set()
        self._listener: Callable[[str], None] | None = None

    def add(self, text: str, key: str | None = None) -> None:
        """Give a notice, unless one with this key (by default its text) was given before."""
        if (key or text) in self._keys:
            return
        self._keys.add(key or text)
        self.texts.append(text)
        if self._listener is not None:
            self._listener(text)

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_listener": None}

    def listen(self, listener: Callable[[str], None]) -> None:
        """Hand every notice to a listener: those given so far, and those to come at once."""
        for text in self.texts:
            listener(text)
        self._listener = listener
