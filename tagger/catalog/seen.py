"""Ids and what belongs to them, on disk, so that any number of rows fits."""

import sqlite3
from collections.abc import Sequence
from typing import Generic, TypeVar

Place = TypeVar("Place", int, str, bytes)


class SeenIds(Generic[Place]):
    """Ids, each with what it was first seen with; exact, in a temporary database on disk."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)  # "" is a temporary file
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute("PRAGMA cache_size = -65536")
        self._db.execute("CREATE TABLE seen (id TEXT PRIMARY KEY, place) WITHOUT ROWID")
        self._db.execute("BEGIN")

    def add(self, ids: Sequence[str], places: Sequence[Place]) -> dict[int, Place]:
        """Add ids; return {position in `ids`: place where it was first seen} for those seen before."""
        execute = self._db.execute
        repeated: dict[int, Place] = {}
        for i, (item, place) in enumerate(zip(ids, places, strict=True)):
            if not execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (item, place)).rowcount:
                (repeated[i],) = execute("SELECT place FROM seen WHERE id = ?", (item,)).fetchone()
        return repeated

    def get(self, ids: Sequence[str]) -> list[Place | None]:
        """What each id was first seen with; None for one that was not."""
        execute = self._db.execute
        found = (execute("SELECT place FROM seen WHERE id = ?", (item,)).fetchone() for item in ids)
        return [row[0] if row else None for row in found]

    def close(self) -> None:
        """Let the database go."""
        self._db.close()
