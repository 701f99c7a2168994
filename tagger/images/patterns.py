"""Builds paths from a manifest's columns, and checks that they stay below their root."""

import os
import re
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from tagger.errors import ImageError, InputError, UsageError
from tagger.manifest.batch import Batch
from tagger.schemas.tables.prediction import ErrorCode

_BASE64 = "^(data:image/[a-z+]+;base64,|/9j/|iVBORw0KGgo|R0lGOD|UklGR)[A-Za-z0-9+/=\\s]{64}"
"""The beginning of base64 images: JPEG, PNG, GIF and WebP."""


def fill_pattern(pattern: str, batch: Batch, encode: Callable[[str], str] | None = None) -> pa.ChunkedArray:
    """Fill in `{column}` for every row; null when a value is missing or blank.

    Args:
        pattern: A path or an address with columns in braces.
        batch: The rows.
        encode: Encodes a value; None leaves values unchanged.

    Raises:
        UsageError: for a column that the manifest lacks.
    """
    pieces = re.split(r"\{([^{}]+)\}", pattern)
    columns = []
    for name in pieces[1::2]:
        text = text_column(batch, name, f"--images {pattern}")
        text = pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)
        columns.append(pa.array([v and encode(v) for v in text.to_pylist()], pa.string()) if encode else text)
    if not columns:
        raise UsageError(f"--images: {pattern} has no {{id}}, so that all items would share one image")
    parts: list[object] = [pieces[0]]
    for column, text in zip(columns, pieces[2::2], strict=True):
        parts += [column, text]
    return pc.binary_join_element_wise(*parts, "")


def text_column(batch: Batch, name: str, flag: str) -> pa.ChunkedArray:
    """A column of the manifest as text.

    Raises UsageError when the column does not exist, and InputError when it is not text; both name the flag.
    """
    column = batch.column(name)
    if column is None and name in batch.bytes_columns:
        raise InputError(f"{flag}: column {name!r} of {batch.file} is {batch.bytes_columns[name]}, not text")
    if column is None:
        raise UsageError(f"{flag}: {batch.file} has no column {name!r}; it has {', '.join(batch.items.schema.names)}")
    try:
        text = pc.utf8_trim_whitespace(pc.cast(column, pa.string()))
    except pa.ArrowException as error:
        raise InputError(f"{flag}: column {name!r} of {batch.file} is {column.type}, not text") from error
    if flag.startswith("--images") and (pc.mean(pc.match_substring_regex(text, _BASE64)).as_py() or 0) > 0.5:
        raise InputError(
            f"{flag}: column {name!r} of {batch.file} is {column.type} that holds images as base64 text; store them as "
            "bytes in Parquet, or as files"
        )
    return text


def resolve_below(
    root: str, relative: str, follow_links: bool = False, real_path: Callable[[str], str] = os.path.realpath
) -> str:
    """Return the path of a file below a root.

    Args:
        root: A folder.
        relative: The file's path below it.
        follow_links: Whether it may be a link to a file outside.
        real_path: `os.path.realpath` of folders, perhaps one that remembers: it takes half the time of reading a file.

    Raises ImageError `outside_store` for `..`, for absolute paths and, unless links are followed, for links to files
    outside.
    """
    if relative.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", relative) or "\0" in relative:
        raise ImageError(ErrorCode.OUTSIDE_STORE, f"{relative!r} leaves the image store {root}")
    path = os.path.join(root, relative)  # noqa: PTH118 - a hot path; pathlib takes ten times as long
    if follow_links:
        return path
    folder, name = os.path.split(path)
    real = os.path.realpath(path) if os.path.islink(path) else os.path.join(real_path(folder), name)  # noqa: PTH114, PTH118
    if real != path and not real.startswith(real_path(root).rstrip("/") + "/"):
        message = f"{path} is a link to {real}, outside the image store; --follow-links reads it"
        raise ImageError(ErrorCode.OUTSIDE_STORE, message)
    return path
