"""Recognises a file's kind by its first bytes, since names mislead."""

import io
import json
import re
import zipfile
from dataclasses import dataclass
from enum import StrEnum

from tagger.errors import InputError
from tagger.io.location import Location, first_line
from tagger.manifest.tables.encodings import head_text
from tagger.manifest.tables.streams import compression_of, unpacked

HEAD = 1 << 16
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_BINARY_SHARE = 0.3

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"PARE", "an encrypted Parquet file; decrypt it"),
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "an old Excel workbook (.xls), or one with a password; save it as .xlsx or CSV",
    ),
    (b"%PDF", "a PDF document"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"\x89PNG\r\n", "a PNG image"),
    (b"GIF87a", "a GIF image"),
    (b"GIF89a", "a GIF image"),
    (b"II*\0", "a TIFF image"),
    (b"MM\0*", "a TIFF image"),
    (b"SQLite format 3\0", "an SQLite database; export its table as CSV"),
    (b"ARROW1", "an Arrow file; write it as Parquet"),
    (b"FEA1", "a Feather file; write it as Parquet"),
    (b"Obj\x01", "an Avro file; write it as Parquet"),
    (b"\x89HDF", "an HDF5 file; write it as Parquet"),
    (b"\x93NUMPY", "a NumPy file; write it as Parquet"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file; unpack it"),
    (b"\x04\x22\x4d\x18", "an LZ4 file; unpack it"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive; unpack it"),
    (b"Rar!\x1a", "a RAR archive; unpack it"),
    (b"\x7fELF", "a program"),
)
_PICKLE = re.compile(rb"\x80[\x02-\x05][\x95}\]c(]")
_MARKUP = re.compile(r"\s*<(?:[a-zA-Z!?/])")
_JSON_ARRAY = re.compile(r'\s*\[\s*(?:[\[{"\]\d-]|null|true|false|$)')
_JSON_OBJECT = re.compile(r'\s*\{\s*(?:"|\}|$)')


class Kind(StrEnum):
    """The supported kinds of tables."""

    PARQUET = "Parquet"
    TEXT = "delimited text"
    JSON_LINES = "JSON Lines"
    WORKBOOK = "an Excel workbook"
    EMPTY = "an empty file"


@dataclass(frozen=True)
class Sniffed:
    """A file's kind, or a description of an unsupported file with a way out."""

    kind: Kind | None
    words: str
    header: str = ""
    """The first line of delimited text."""


def sniff(file: Location, encoding: str) -> Sniffed:
    """Recognise a file by its first bytes, decompressed where needed.

    Raises InputError when it is compressed and cannot be unpacked.
    """
    with file.open() as stream:
        raw = stream.read(HEAD)
    if raw.startswith(b"PAR1"):
        return Sniffed(Kind.PARQUET, Kind.PARQUET)
    if raw.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip_archive(file)
    head = _unpacked_head(raw, file)
    if not head:
        return Sniffed(Kind.EMPTY, Kind.EMPTY)
    if compression_of(raw) and head.startswith((b"PAR1", b"PK\x03\x04")):
        return Sniffed(None, f"a Parquet file or a workbook inside {compression_of(raw)}; unpack it")
    return _by_bytes(head) or _by_text(head_text(head, encoding))


def is_parquet(file: Location) -> bool:
    """Whether a file is Parquet by its first bytes."""
    with file.open() as stream:
        return bool(stream.read(4) == b"PAR1")


def _unpacked_head(raw: bytes, file: Location) -> bytes:
    """The first bytes of a file; of a compressed one, as many as its first bytes decompress to."""
    plain = unpacked(io.BytesIO(raw), str(file))
    head = b""
    try:
        while len(head) < HEAD and (more := plain.read1(HEAD)):
            head += more
    except InputError:
        if not head:
            raise
    return head[:HEAD]


def _by_bytes(head: bytes) -> Sniffed | None:
    for magic, words in _MAGIC:
        if head.startswith(magic):
            return Sniffed(None, words)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return Sniffed(None, "a WebP image")
    if head[4:12] in (b"ftypavif", b"ftypheic", b"ftypmif1"):
        return Sniffed(None, "an AVIF or HEIF image")
    if head[:2] == b"BM" and b"\0\0" in head[:16]:
        return Sniffed(None, "a BMP image")
    if head[257:262] == b"ustar":
        return Sniffed(None, "a tar archive; unpack it")
    if _PICKLE.match(head):
        return Sniffed(None, "a Python pickle; write the table as Parquet or CSV")
    return None


def _by_text(text: str) -> Sniffed:
    header = next((line for line in text.splitlines() if line.strip()), "")
    if _CONTROLS.search(header) or len(_CONTROLS.findall(text[:HEAD])) > _BINARY_SHARE * min(len(text), HEAD):
        return Sniffed(None, "binary data of an unknown kind, no table")
    if _MARKUP.match(text):
        return Sniffed(None, _markup(text))
    if _JSON_ARRAY.match(text):
        return Sniffed(None, "a JSON array; write it as JSON Lines, one object a line (jq -c '.[]' does)")
    if _JSON_OBJECT.match(text):
        if _has_object_lines(text):
            return Sniffed(Kind.JSON_LINES, Kind.JSON_LINES)
        return Sniffed(None, "a JSON document; write it as JSON Lines, one object a line")
    return Sniffed(Kind.TEXT, Kind.TEXT, header)


def _has_object_lines(text: str) -> bool:
    """Whether each line is an object: the first one, or half of them, since a line may be broken."""
    lines = [line for line in text.split("\n") if line.strip()]
    return _is_object(lines[0]) or 2 * sum(map(_is_object, lines)) >= len(lines)


def _is_object(line: str) -> bool:
    """Whether a line is a JSON object by itself."""
    if not line.lstrip().startswith("{"):
        return False
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _markup(text: str) -> str:
    low = text[:4096].lower()
    if re.search(r"<!doctype html|<html|<head|<body|<table", low):
        return "an HTML page, perhaps a sign-in or error page in place of the file; download or export it again"
    if re.search(r"<rss|<feed", low):
        return "an RSS or Atom feed (XML); export the catalogue as CSV"
    if "urn:schemas-microsoft-com:office:spreadsheet" in low:
        return "an XML spreadsheet of Excel 2003; save it as .xlsx or CSV"
    return "XML; export the catalogue as CSV"


def _zip_archive(file: Location) -> Sniffed:
    try:
        with file.open_random() as stream, zipfile.ZipFile(stream) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        return Sniffed(None, f"a damaged zip archive or workbook ({first_line(error)}); fetch or save it again")
    if "xl/workbook.bin" in names:
        return Sniffed(None, "a binary Excel workbook (.xlsb); save it as .xlsx or CSV")
    if any(name.startswith("xl/") for name in names):
        return Sniffed(Kind.WORKBOOK, Kind.WORKBOOK)
    if "content.xml" in names and "mimetype" in names:
        return Sniffed(None, "an OpenDocument spreadsheet; save it as .xlsx or CSV")
    if "[Content_Types].xml" in names:
        return Sniffed(None, "an Office document, but no workbook")
    files = [name for name in names if not name.endswith("/")]
    return Sniffed(None, f"a zip archive ({', '.join(files[:3])}{', …' if len(files) > 3 else ''}); unpack it")
