"""Decodes text files of unknown encoding: from their bytes if these prove it, else by a guess with a notice."""

import codecs
import io
import re
from typing import IO

from tagger.errors import UsageError
from tagger.manifest.tables.streams import unpacked
from tagger.notices import Notices

_HEAD = 4096
_BLOCK = 1 << 18
_LONGEST_LINE = 1 << 24
_SAMPLE = 1 << 16
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""By their first bytes; those of UTF-32 begin with UTF-16's and come first."""
_EUROPEAN = ("cp1252", "cp1250", "cp1254", "iso8859_2", "cp932")
_OTHERS = ("cp1251", "gb18030", "cp932", "cp949", "big5", "euc_jp", "koi8_r", "cp1253", "cp1255", "cp1256")
_NAMES = {"cp1252": "Windows-1252 (Western European)", "cp1251": "Windows-1251 (Cyrillic)"}


def open_text(stream: IO[bytes], name: str, encoding: str, notices: Notices) -> io.TextIOWrapper:
    """The text of a stream, unpacked if it is compressed; line ends stay as they are.

    Bytes that the encoding does not have come as lone surrogates (`undecodable` tells), so that they cost a row.

    Args:
        stream: The file's bytes.
        name: The file, for messages.
        encoding: The text encoding, or `auto`.
        notices: Takes what was guessed.

    Raises:
        UsageError: when there is no encoding of this name.
        InputError: when the compressed data cannot be read.
    """
    plain = unpacked(stream, name)
    if encoding == "auto":
        encoding = _sure_encoding(plain.peek(_HEAD)[:_HEAD], name, notices)
        if encoding == "utf-8":
            plain = io.BufferedReader(_AsUtf8(plain, name, notices), 1 << 16)
    try:
        wide = codecs.lookup(encoding).name.startswith(("utf-16", "utf-32"))
        if codecs.lookup(encoding).name == "utf-8":
            encoding = "utf-8-sig"  # the same, less a byte order mark
        return io.TextIOWrapper(
            plain, encoding=encoding, errors="surrogatepass" if wide else "surrogateescape", newline=""
        )
    except LookupError as error:
        raise UsageError(f"--encoding {encoding}: no text encoding of this name") from error


def head_text(head: bytes, encoding: str) -> str:
    """A file's first bytes as text, roughly: to see what kind of file it is."""
    if encoding == "auto":
        encoding = _marked(head) or _wide_without_mark(head) or "utf-8"
    try:
        return head.decode(encoding, "replace").removeprefix("\ufeff")
    except LookupError as error:
        raise UsageError(f"--encoding {encoding}: no text encoding of this name") from error


def undecodable(text: str) -> bool:
    """Whether a text that `open_text` gave holds bytes that the encoding does not have."""
    if text.isascii():
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def guess(sample: bytes) -> str:
    """The likeliest encoding of text that is not UTF-8.

    Letters with accents stand alone in the languages of Western and Central Europe, while other scripts come in
    runs; among the encodings that this leaves, charset-normalizer judges.
    """
    import charset_normalizer  # 50 ms, for the few files that need it

    runs = re.findall(rb"[\x80-\xff]+", sample)
    european = sum(map(len, runs)) <= 2 * len(runs)
    candidates = _EUROPEAN if european else _OTHERS
    matches = charset_normalizer.from_bytes(sample, cp_isolation=list(candidates), threshold=0.9)
    ranked = [
        (round(match.chaos, 1), -round(match.coherence, 1), candidates.index(name), name)
        for match in matches
        for name in match.could_be_from_charset
        if name in candidates
    ]
    return min(ranked)[-1] if ranked else "cp1252"


def _sure_encoding(head: bytes, name: str, notices: Notices) -> str:
    wide = _wide_without_mark(head)
    if wide and not _marked(head):
        notices.add(
            f"{name} is not UTF-8 and has no byte order mark; it was read as {wide.upper()}. If text looks wrong, name "
            "the encoding with --encoding",
            key=f"encoding:{wide}",
        )
    return _marked(head) or wide or "utf-8"


def _marked(head: bytes) -> str | None:
    return next((encoding for mark, encoding in _MARKS.items() if head.startswith(mark)), None)


def _wide_without_mark(head: bytes) -> str | None:
    if len(head) < 4 or 0 not in head[:2]:  # the header's first letter; NUL bytes further on are only bad rows
        return None
    even, odd = head[::2].count(0) / len(head[::2]), head[1::2].count(0) / len(head[1::2])
    if odd > 0.4 and even < 0.1:
        return "utf-16-le"
    return "utf-16-be" if even > 0.4 and odd < 0.1 else None


class _AsUtf8(io.RawIOBase):
    """Bytes that should be UTF-8, as UTF-8: from the first invalid ones on, decoded with a guessed encoding.

    A file of which most lines are UTF-8 stays so, and only its other lines are read in the guessed encoding.
    """

    def __init__(self, source: io.BufferedReader, name: str, notices: Notices) -> None:
        self._source, self._name, self._notices = source, name, notices
        self._ready = memoryview(b"")
        self._rest = b""
        self._lines = 0
        self._utf8_seen = False
        self._guessed: str | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        if not self._ready:
            self._ready = memoryview(self._as_utf8(self._block()))
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def _block(self) -> bytes:
        """Whole lines, so that no letter is cut; the last bytes of the file, and of a line without end, as they are."""
        block = self._rest
        while more := self._source.read(_BLOCK):
            block += more
            end = max(block.rfind(b"\n"), block.rfind(b"\r")) + 1
            if end or len(block) > _LONGEST_LINE:
                self._rest = block[end:] if end else b""
                return block[:end] if end else block
        self._rest = b""
        return block

    def _as_utf8(self, block: bytes) -> bytes:
        if block.isascii():
            self._lines += block.count(b"\n")
            return block
        if self._guessed is None or self._utf8_seen:
            try:
                block.decode()
            except UnicodeDecodeError as error:
                self._settle(block, self._lines + block.count(b"\n", 0, error.start) + 1)
            else:
                self._lines += block.count(b"\n")
                self._utf8_seen = True
                return block
        self._lines += block.count(b"\n")
        if not self._utf8_seen:
            return _decoded(block, str(self._guessed)).encode("utf-8", "surrogateescape")
        lines = re.split(rb"(?<=\n)|(?<=\r)(?!\n)", block)
        return b"".join(
            line if _is_utf8(line) else _decoded(line, str(self._guessed)).encode("utf-8", "surrogateescape")
            for line in lines
        )

    def _settle(self, block: bytes, line: int) -> None:
        """Decide from the first bytes that are no UTF-8 how all that follow are read, and say so."""
        if self._guessed is not None:
            return
        special = [text for text in re.split(rb"[\r\n]+", block) if not text.isascii()]
        broken = [text for text in special if not _is_utf8(text)]
        self._utf8_seen = self._utf8_seen or 2 * len(broken) <= len(special)
        self._guessed = guess(b"\n".join(broken)[:_SAMPLE])
        assumed = _NAMES.get(self._guessed, self._guessed)
        what = (
            f"{self._name} is UTF-8, but some lines are not (the first is line {line}); those were read as {assumed}"
            if self._utf8_seen
            else f"{self._name} is not UTF-8 (see line {line}); it was read as {assumed}, which is a guess"
        )
        self._notices.add(
            f"{what}. If letters look wrong, name the encoding with --encoding", key=f"encoding:{self._guessed}"
        )


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _decoded(data: bytes, encoding: str) -> str:
    if encoding != "cp1252":
        return data.decode(encoding, "surrogateescape")
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:  # of the five bytes that Windows-1252 lacks, Latin-1 makes control characters
        return "".join(bytes([b]).decode("cp1252", "ignore") or chr(b) for b in data)
