"""Rows with more fields than the header: decides whether the delimiter is part of the last column."""

_BLANK = {"", "NA"}


class Shape:
    """Statistics of good rows' columns, to tell a delimiter in the last column from one further left."""

    LEARN = 500
    _ENOUGH, _FEW = 20, 5
    _CLOSED_ROWS, _CLOSED_VALUES = 200, 20

    def __init__(self, width: int) -> None:
        self.rows = 0
        self._numeric = [True] * width
        self._spaced = [0] * width
        self._seen: list[set[str]] = [set() for _ in range(width)]

    def learn(self, fields: list[str]) -> None:
        """Add one good row."""
        if self.rows >= self.LEARN:
            return
        self.rows += 1
        for i, value in enumerate(fields):
            if value not in _BLANK:
                self._numeric[i] = self._numeric[i] and _is_number(value)
                self._spaced[i] += " " in value
                self._seen[i].add(value)

    def last_takes_text(self, fields: list[str]) -> bool:
        """Whether the extra fields are certainly the tail of the last column.

        They are when every value to the left fits its column and, once enough rows were seen, when the last column is
        the only text column. A handful of rows never contradicts it.
        """
        others = range(len(self._seen) - 1)
        if self.rows >= self._FEW and any(self._is_odd(i, fields[i]) for i in others):
            return False
        if self.rows < self._ENOUGH:
            return not (self.rows >= self._FEW and self._numeric[-1] and self._seen[-1])
        return self._is_text(len(self._seen) - 1) and not any(self._is_text(i) for i in others)

    def _is_odd(self, i: int, value: str) -> bool:
        if value in _BLANK or not self._seen[i]:
            return False
        if self._numeric[i]:
            return not _is_number(value)
        closed = self.rows >= self._CLOSED_ROWS and len(self._seen[i]) <= self._CLOSED_VALUES
        return closed and value not in self._seen[i]

    def _is_text(self, i: int) -> bool:
        """Whether most values have several words, and most are distinct."""
        return self._spaced[i] > 0.5 * self.rows and len(self._seen[i]) > 0.3 * self.rows


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True
