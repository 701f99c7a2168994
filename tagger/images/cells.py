"""Splits cells that hold several images: `a.jpg,b.jpg`, `a.jpg;b.jpg`, `a.jpg|b.jpg`, `https://…, https://…`, lists."""

import ast
import re
from collections.abc import Callable

from tagger.imaging.suffixes import IMAGE_SUFFIXES

_URL = r"(?:https?:)?//|s3[an]?://"
_BETWEEN_URLS = re.compile(rf"\s*[,;|\s]\s*(?={_URL})", re.IGNORECASE)
_BETWEEN_PATHS = (",", ";", "|", "\n")
_SEPARATORS = re.compile(r"[,;|\s]")


def split_cell(cell: str, is_file: Callable[[str], bool]) -> list[str]:
    """The images that a cell names, one or several. A cell that is a file's name is not split.

    Args:
        cell: A cell, trimmed.
        is_file: Whether a path names a file.
    """
    if cell.startswith("[") and cell.endswith("]"):
        return _list_entries(cell) or [cell]
    if not _SEPARATORS.search(cell):
        return [cell]
    if re.match(_URL, cell, re.IGNORECASE):
        return [piece for text in _BETWEEN_URLS.split(cell) if (piece := text.strip().rstrip(",;|"))]
    for separator in _BETWEEN_PATHS:
        pieces = [piece for text in cell.split(separator) if (piece := text.strip())]
        if pieces and separator in cell and all(piece.lower().endswith(IMAGE_SUFFIXES) for piece in pieces):
            return [cell] if is_file(cell) else pieces
    return [cell]


def _list_entries(cell: str) -> list[str]:
    """The texts of a JSON or Python list; empty for anything else."""
    try:
        value = ast.literal_eval(cell)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return []
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        return []
    return [entry.strip() for entry in value if entry.strip()]
