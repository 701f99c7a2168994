"""An answer of the server that says no, and why."""


class RefusalError(Exception):
    """A request that is refused with a text of the page.

    Args:
        status: HTTP status.
        key: Key of the text.
        values: Its values.
    """

    def __init__(self, status: int, key: str, **values: object) -> None:
        super().__init__(key)
        self.status = status
        self.key = key
        self.values = values
