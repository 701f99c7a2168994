"""Images in a local folder, found by a pattern over the manifest's columns."""

import os
import stat
import unicodedata
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tagger.errors import ImageError
from tagger.images.patterns import fill_pattern, resolve_below
from tagger.manifest.batch import Batch
from tagger.schemas.tables.prediction import ErrorCode

_MAX_LISTED = 50_000
_FOLDERS = 2_000


class FolderImages:
    """A folder and a pattern over the manifest's columns, such as `{id}.jpg` or `{year}/{id}.jpg`.

    Args:
        root: The folder; nothing outside it is read.
        patterns: Paths below the folder; of several, the first that exists is read.
        max_bytes: Size of the largest file that is read.
        follow_links: Whether links that point outside the folder are read.
    """

    ordered_by_store = False
    locates_in_copies = True

    def __init__(self, root: str, patterns: Sequence[str], max_bytes: int, follow_links: bool = False) -> None:
        self._root = root
        self._patterns = tuple(patterns)
        self._max_bytes = max_bytes
        self._follow_links = follow_links

    def locate(self, batch: Batch) -> list[str | None]:
        """References are paths: the first that exists, of all patterns and spellings."""
        filled = [fill_pattern(p, batch) for p in self._patterns]
        if len(filled) > 1:
            return [self._path(candidates) for candidates in zip(*(f.to_pylist() for f in filled), strict=True)]
        (paths,) = filled
        refs: list[str | None] = pc.binary_join_element_wise(self._root, paths, "/").to_pylist()
        for row in np.flatnonzero(_may_have_other_spellings(paths)).tolist():
            refs[row] = self._path([paths[row].as_py()])
        return refs

    def fetch(self, refs: Sequence[str]) -> Iterator[bytes | ImageError]:
        """Read local files one after another."""
        real_path = lru_cache(_FOLDERS)(os.path.realpath)  # for one call: folders may become links later
        return (self._read(ref, real_path) for ref in refs)

    def refs_below(self, prefix: str) -> list[str]:
        """Paths of files below the folder that begin with a prefix."""
        return list_files(prefix) if prefix.startswith(self._root.rstrip("/") + "/") else []

    def _path(self, candidates: Sequence[str | None]) -> str | None:
        return first_existing(self._root, [c for c in candidates if c])

    def _read(self, ref: str, real_path: Callable[[str], str]) -> bytes | ImageError:
        try:
            inside = ref.removeprefix(f"{self._root}/")
            return read_file(resolve_below(self._root, inside, self._follow_links, real_path), self._max_bytes)
        except ImageError as error:
            return error


def _may_have_other_spellings(paths: pa.ChunkedArray) -> np.ndarray:
    """Whether `spellings` may return any, bool [N]: few paths have some, and in Arrow a row costs little."""
    may = pc.or_(pc.invert(pc.string_is_ascii(paths)), pc.match_substring_regex(paths, r"[%\\]"))
    return np.asarray(may.fill_null(False))


def spellings(path: str) -> list[str]:
    """Other spellings of a path: percent-decoded, with slashes for backslashes, in NFC and in NFD."""
    if path.isascii() and "%" not in path and "\\" not in path:
        return []
    plain = [path, unquote(path)] if "%" in path else [path]
    slashed = [form for p in plain for form in dict.fromkeys((p, p.replace("\\", "/")))]
    forms = [*slashed, *(unicodedata.normalize(unicode, p) for unicode in ("NFC", "NFD") for p in slashed)]
    return [form for form in dict.fromkeys(forms) if form != path]


def first_existing(folder: str, paths: Sequence[str]) -> str | None:
    """The first path below a folder that exists, first as written, then in other spellings; otherwise the first path.

    A single path with a single spelling is returned without access to the disk. Returns None without paths.
    """
    variants = [other for path in paths for other in spellings(path)]
    candidates = [f"{folder}/{path}" for path in (*paths, *variants)]
    if len(candidates) < 2:
        return candidates[0] if candidates else None
    return next((path for path in candidates if exists(path)), candidates[0])


def exists(path: str) -> bool:
    """Whether a file or a folder exists."""
    try:
        return os.path.exists(path)  # noqa: PTH110 - a hot path; pathlib takes ten times as long
    except ValueError:
        return False


def list_files(prefix: str, limit: int = _MAX_LISTED) -> list[str]:
    """List files whose paths begin with a prefix, those in the nearest folders first."""
    files: list[str] = []
    folders = deque([prefix.rpartition("/")[0] or "/"])
    for _ in range(_FOLDERS):
        if not folders or len(files) >= limit:
            break
        try:
            with os.scandir(folders.popleft()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    elif entry.path.startswith(prefix):
                        files.append(entry.path)
                    if len(files) >= limit:
                        break
        except OSError:
            continue
    return files


def read_file(path: str, max_bytes: int) -> bytes:
    """Return a file's bytes. Raises ImageError when it does not exist, or is larger than `max_bytes`."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe must not block
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise ImageError(ErrorCode.NOT_FOUND, f"{path} is not a file, but a folder, a pipe or a device")
            if status.st_size > max_bytes:
                raise ImageError(ErrorCode.TOO_LARGE, f"{path} is larger than {max_bytes:,} bytes")
            data = os.read(descriptor, status.st_size + 1)  # two calls fewer than a file object makes
            if len(data) == status.st_size:
                return data
            with open(descriptor, "rb", buffering=0, closefd=False) as file:
                return data + file.readall()
        finally:
            os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ImageError(ErrorCode.NOT_FOUND, f"there is no file {path}") from error
    except PermissionError as error:
        raise ImageError(ErrorCode.ACCESS_DENIED, f"{path} may not be read") from error
    except (OSError, ValueError) as error:
        raise ImageError(ErrorCode.STORE_ERROR, f"{path!r} cannot be read: {error}") from error
