"""Ids and what belongs to them, on disk, so that any number of rows fits."""

import sqlite3
from bisect import bisect_left
from collections.abc import Collection, Sequence
from typing import Generic, TypeVar

from tagger.catalog.tables.notices import Notices

_SAME_TABLE = 0.9
"""Share of a file's ids, read before in other files, from which on it looks like one of them."""

Place = TypeVar("Place", int, str, bytes)
