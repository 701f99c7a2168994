"""Which ids a manifest has had already, on disk, so that any number of rows fits."""

import sqlite3
from collections.abc import Sequence


class SeenIds:
    """The ids read so far, each with the row it was first read at; exact, in a temporary database on disk."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)  # "" is a temporary file
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute("PRAGMA cache_size = -65536")
        self._db.execute("CREATE TABLE seen (id TEXT PRIMARY KEY, place INTEGER) WITHOUT ROWID")
        self._db.execute("BEGIN")

    def add(self, ids: Sequence[str], places: Sequence[int]) -> dict[int, int]:
        """Add ids; return {position in `ids`: place where it was first seen} for those seen before."""
        execute = self._db.execute
        repeated: dict[int, int] = {}
        for i, (item, place) in enumerate(zip(ids, places, strict=True)):
            if not execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (item, place)).rowcount:
                (repeated[i],) = execute("SELECT place FROM seen WHERE id = ?", (item,)).fetchone()
        return repeated

    def close(self) -> None:
        """Let the database go."""
        self._db.close()
