"""Append-only columns of any length: the last rows in memory, the others in a temporary file."""

import mmap
import os
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any, Generic, TypeVar

import numpy as np

from tagger.io.scratch import naming_full_folder

_ROWS_AT_ONCE = 65_536
_LEAST_BYTES = 4096

Value = TypeVar("Value", int, str, bytes)


class SpilledRows:
    """Rows of one dtype, which are written to the disk once they take more memory than allowed.

    The file is mapped, so that the operating system decides how much of it stays in memory.

    Args:
        dtype: Of a row.
        memory_bytes: Most bytes of rows before they are written.
    """

    def __init__(self, dtype: np.dtype, memory_bytes: int) -> None:
        self._file = -1
        self._tail = np.empty(max(memory_bytes, _LEAST_BYTES) // dtype.itemsize, dtype)
        self._in_tail = self._written = 0
        self._mapped = np.empty(0, dtype)

    def __len__(self) -> int:
        return self._written + self._in_tail

    def append(self, rows: np.ndarray) -> None:
        """Append rows. Raises WriteError when the temporary folder has no room."""
        done = 0
        while done < len(rows):
            piece = rows[done : done + len(self._tail) - self._in_tail]
            self._tail[self._in_tail : self._in_tail + len(piece)] = piece
            self._in_tail += len(piece)
            done += len(piece)
            if self._in_tail == len(self._tail):
                self._write()

    def take(self, numbers: np.ndarray) -> np.ndarray:
        """The rows with these numbers, in their order."""
        if not self._written:
            return np.asarray(self._tail[numbers])
        rows = np.empty(len(numbers), self._tail.dtype)
        is_written = numbers < self._written
        rows[is_written] = self._mapped[numbers[is_written]]
        rows[~is_written] = self._tail[numbers[~is_written] - self._written]
        return rows

    def slice(self, start: int, stop: int) -> np.ndarray:
        """The rows from `start` to before `stop`."""
        written = self._mapped[start : min(stop, self._written)]
        tail = self._tail[max(0, start - self._written) : max(0, stop - self._written)]
        return np.concatenate([written, tail]) if len(written) and len(tail) else tail if len(tail) else written

    def chunks(self) -> Iterator[np.ndarray]:
        """All rows, some at a time, read past the mapping, so that they do not stay in memory."""
        size = self._tail.dtype.itemsize
        for start in range(0, self._written, _ROWS_AT_ONCE):
            rows = min(_ROWS_AT_ONCE, self._written - start)
            yield np.frombuffer(os.pread(self._file, rows * size, start * size), self._tail.dtype)
        for start in range(0, self._in_tail, _ROWS_AT_ONCE):
            yield self._tail[start : min(self._in_tail, start + _ROWS_AT_ONCE)]

    def close(self) -> None:
        """Delete the file."""
        self._mapped = self._mapped[:0].copy()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __del__(self) -> None:
        self.close()

    def _write(self) -> None:
        with naming_full_folder():
            if self._file < 0:
                with tempfile.TemporaryFile() as file:
                    self._file = os.dup(file.fileno())
            data = self._tail.view(np.uint8).data
            while len(data):
                data = data[os.write(self._file, data) :]
        self._written += self._in_tail
        self._in_tail = 0
        mapping = mmap.mmap(self._file, self._written * self._tail.dtype.itemsize, prot=mmap.PROT_READ)
        self._mapped = np.frombuffer(mapping, self._tail.dtype)


class SpilledValues(Generic[Value]):
    """Whole numbers, texts or bytes, all of the kind of the first, in SpilledRows."""

    def __init__(self, memory_bytes: int) -> None:
        self._kind: type = int
        self._bytes = SpilledRows(np.dtype(np.uint8), memory_bytes // 2)
        self._numbers = SpilledRows(np.dtype(np.int64), memory_bytes // 2)
        """The values themselves, or where each ends among the bytes."""

    def append(self, values: Sequence[Value]) -> None:
        """Append values. Raises WriteError when the temporary folder has no room."""
        if not values:
            return
        if not len(self._numbers):
            self._kind = type(values[0])
        if self._kind is int:
            self._numbers.append(np.array(values, np.int64))
            return
        encoded = [value.encode() if isinstance(value, str) else bytes(value) for value in values]
        ends = len(self._bytes) + np.cumsum([len(value) for value in encoded], dtype=np.int64)
        self._bytes.append(np.frombuffer(b"".join(encoded), np.uint8))
        self._numbers.append(ends)

    def take(self, numbers: np.ndarray) -> list[Value]:
        """The values with these numbers, in their order."""
        values: list[Any] = self._numbers.take(numbers).tolist()
        if self._kind is not int:
            starts = np.where(numbers > 0, self._numbers.take(np.maximum(numbers - 1, 0)), 0).tolist()
            values = [self._bytes.slice(a, b).tobytes() for a, b in zip(starts, values, strict=True)]
        return [value.decode() for value in values] if self._kind is str else values

    def close(self) -> None:
        """Delete the files."""
        self._bytes.close()
        self._numbers.close()
