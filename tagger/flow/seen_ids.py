"""A map from ids to values on disk, so that any number of rows fits."""

import os
import sqlite3
import tempfile
from bisect import bisect_left
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from tagger.io.scratch import full_folder
from tagger.notices import Notices

_NO_ROOM = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}
_SAME_TABLE = 0.9
"""A file with at least this share of ids from other files is probably a copy of one."""

Value = TypeVar("Value", int, str, bytes)


class SeenIds(Generic[Value]):
    """Ids with the first value of each; exact, in a temporary database on disk."""

    def __init__(self, memory_kib: int = 65536) -> None:
        """Use so much memory before ids go to the disk."""
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)  # "" is a temporary file
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute(f"PRAGMA cache_size = -{memory_kib}")
        self._db.execute("CREATE TABLE seen (id TEXT PRIMARY KEY, value) WITHOUT ROWID")
        self._db.execute("BEGIN")

    def add(self, ids: Sequence[str], values: Sequence[Value]) -> dict[int, Value]:
        """Add ids; return {position in `ids`: first value} for those that were added before.

        Raises WriteError when the disk has no room for them.
        """
        execute = self._db.execute
        repeated: dict[int, Value] = {}
        try:
            for i, (item, value) in enumerate(zip(ids, values, strict=True)):
                if not execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (item, value)).rowcount:
                    (repeated[i],) = execute("SELECT value FROM seen WHERE id = ?", (item,)).fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _NO_ROOM:
                raise
            folder = os.environ.get("SQLITE_TMPDIR") or tempfile.gettempdir()
            raise full_folder(Path(folder), f"the ids of a table of items are kept there, and {error}") from error
        return repeated

    def get(self, ids: Sequence[str]) -> list[Value | None]:
        """The first value of each id; None for an unknown id."""
        execute = self._db.execute
        rows = (execute("SELECT value FROM seen WHERE id = ?", (item,)).fetchone() for item in ids)
        return [row[0] if row else None for row in rows]

    def close(self) -> None:
        """Delete the database."""
        self._db.close()


class FileRepeats:
    """Notices a file whose ids nearly all occur in earlier files: probably the same table in two forms."""

    def __init__(self, notices: Notices) -> None:
        self._notices = notices
        self._files: list[str] = []
        self._starts: list[int] = []
        self._ids = self._repeated = 0
        self._first_row: int | None = None

    def begin(self, file: str, rows_before: int) -> None:
        """Begin a file after so many rows of other files."""
        self._files.append(file)
        self._starts.append(rows_before)
        self._ids = self._repeated = 0
        self._first_row = None

    def add(self, ids: int, first_rows: Collection[int]) -> None:
        """Count ids of the file, and the 1-based rows where repeated ones were read first."""
        self._ids += ids
        earlier = [row for row in first_rows if row <= self._starts[-1]]
        self._repeated += len(earlier)
        if earlier and self._first_row is None:
            self._first_row = earlier[0]

    def end(self) -> None:
        """End the file, and add a notice where it only repeats others."""
        if self._first_row is None or self._repeated < _SAME_TABLE * self._ids:
            return
        other = self._files[bisect_left(self._starts, self._first_row) - 1]
        self._notices.add(
            f"{self._files[-1]}: {self._repeated:,} of its {self._ids:,} ids were read before, as in {other}; the "
            "first of each counts. If it is the same table twice, name one of the files"
        )
