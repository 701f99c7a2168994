"""Ranges of a large file, local or in a bucket: read with retries, and a file object that reads ahead."""

import io
import random
import time
from threading import Lock

import pyarrow as pa

from tagger.io.location import Location

_ATTEMPTS, _ATTEMPTS_IN_BUCKET = 2, 6
_FIRST_PAUSE_S = 0.1


class RangeReader:
    """Reads ranges of a file. Several threads may call it.

    Args:
        file: The file. It is opened at the first read and, after an error, once more.
    """

    def __init__(self, file: Location) -> None:
        self._file = file
        self._opened: pa.NativeFile | None = None
        self._opening = Lock()

    def read(self, start: int, length: int) -> bytes:
        """The bytes from `start` on; fewer than `length` at the end of the file.

        In a bucket, failed reads are repeated with backoff. Raises OSError after the last attempt.
        """
        attempts = _ATTEMPTS_IN_BUCKET if self._file.is_s3 else _ATTEMPTS
        for attempt in range(1, attempts + 1):
            try:
                return self._read(start, length)
            except FileNotFoundError:
                raise
            except OSError:
                with self._opening:
                    self._opened = None
                if attempt == attempts:
                    raise
                if self._file.is_s3:
                    time.sleep(random.uniform(0, _FIRST_PAUSE_S * 2**attempt))
        raise AssertionError("at least one attempt is made")

    def _read(self, start: int, length: int) -> bytes:
        with self._opening:
            if self._opened is None:
                self._opened = self._file.open_random()
            source = self._opened
        length = max(0, min(length, source.size() - start))
        data: bytes = source.read_at(length, start)
        if len(data) < length:
            raise OSError(f"only {len(data):,} of {length:,} bytes came")
        return data


def open_ahead(file: Location, block_bytes: int) -> io.BufferedReader:
    """A file object that reads blocks; seeking beyond a block leaves out what lies between. Reads raise OSError."""
    return io.BufferedReader(_Raw(RangeReader(file)), block_bytes)


class _Raw(io.RawIOBase):
    def __init__(self, ranges: RangeReader) -> None:
        self._ranges = ranges
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        if whence == io.SEEK_END:
            raise io.UnsupportedOperation("the end of the file is not known")
        self._position = offset + (self._position if whence == io.SEEK_CUR else 0)
        return self._position

    def readinto(self, buffer: "memoryview", /) -> int:  # type: ignore[override]
        data = self._ranges.read(self._position, len(buffer))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)
