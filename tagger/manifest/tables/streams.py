"""Decompresses files by their content rather than by their names."""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable
from typing import IO, Any

from tagger.errors import InputError
from tagger.io.location import first_line

_BLOCK = 1 << 20
_COMPRESSIONS: dict[bytes, tuple[str, Callable[[Any], Any]]] = {
    b"\x1f\x8b": ("gzip", lambda stream: gzip.GzipFile(fileobj=stream)),
    b"BZh": ("bzip2", bz2.BZ2File),
    b"\xfd7zXZ\0": ("xz", lzma.LZMAFile),
}
_DAMAGED = (OSError, zlib.error, lzma.LZMAError)


def compression_of(head: bytes) -> str | None:
    """The name of the compression that a file's first bytes show; None for one that is read as it is."""
    return next((name for magic, (name, _) in _COMPRESSIONS.items() if head.startswith(magic)), None)


def unpacked(stream: IO[bytes], name: str) -> "io.BufferedReader[Any]":
    """The plain bytes of a stream that may be gzip (also of several members), bzip2 or xz.

    What is read from it raises InputError, naming the file, when the compressed data is damaged or cut off.
    """
    buffered: io.BufferedReader[Any] = io.BufferedReader(_Raw(stream), _BLOCK)
    compression = compression_of(buffered.peek(8)[:8])
    if compression is None:
        return buffered
    open_it = next(opener for kind, opener in _COMPRESSIONS.values() if kind == compression)
    return io.BufferedReader(_Unpacked(open_it(buffered), name, compression), _BLOCK)


class _Raw(io.RawIOBase):
    """Adapts any object with `read` to io's buffers."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class _Unpacked(_Raw):
    """A decompressor whose errors name the file and the cause."""

    def __init__(self, stream: Any, name: str, compression: str) -> None:
        super().__init__(stream)
        self._read_some = stream.read1  # also returns what comes before the damage
        self._name, self._compression = name, compression

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        try:
            data = self._read_some(len(buffer))
            buffer[: len(data)] = data
            return len(data)
        except EOFError as error:
            raise InputError(
                f"{self._name}: the {self._compression} file is cut off before its end; fetch or write it again"
            ) from error
        except _DAMAGED as error:
            raise InputError(f"{self._name}: not a readable {self._compression} file: {first_line(error)}") from error
