"""Describes for messages what a file is that is not an image, by its first bytes."""

import codecs
import re

_BY_BRAND = {
    **dict.fromkeys(
        (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"), "HEIC, which must be converted to JPEG first"
    ),
    **dict.fromkeys((b"mif1", b"mif2", b"msf1"), "HEIF, which must be converted to JPEG first"),
    b"crx ": "a Canon raw file (CR3), which must be converted to JPEG first",
    b"qt  ": "a QuickTime film",
}
_BY_BEGINNING = (
    (b"\xff\x0a", "JPEG XL, which must be converted to JPEG first"),
    (b"\0\0\0\x0cJXL ", "JPEG XL, which must be converted to JPEG first"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000, which must be converted to JPEG first"),
    (b"\xff\x4f\xff\x51", "JPEG 2000, which must be converted to JPEG first"),
    (b"8BPS", "a Photoshop file, which must be converted to JPEG first"),
    (b"FUJIFILM", "a Fujifilm raw file, which must be converted to JPEG first"),
    (b"\0\0\1\0", "a Windows icon"),
    (b"%PDF", "a PDF"),
    (b"%!PS", "PostScript"),
    (b"PK\3\4", "a ZIP archive, or an Office file"),
    (b"PK\5\6", "an empty ZIP archive"),
    (b"\x1f\x8b", "gzip-compressed; unpack it first"),
    (b"BZh", "bzip2-compressed; unpack it first"),
    (b"\xfd7zXZ", "xz-compressed; unpack it first"),
    (b"(\xb5/\xfd", "zstd-compressed; unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"PAR1", "a Parquet file"),
    (b"\x1aE\xdf\xa3", "a WebM or Matroska film"),
    (b"RIFF", "a RIFF file of sound or film"),
    (b"SQLite format 3", "an SQLite database"),
    (b"version https://git-lfs.github.com/spec", "a git-lfs pointer; fetch the images with: git lfs pull"),
    (b"data:image/", "a data: URI, which must be decoded first"),
    (b"/9j/", "base64 of a JPEG, which must be decoded first"),
    (b"iVBORw0KGgo", "base64 of a PNG, which must be decoded first"),
)
_BY_TEXT = (
    (r"(<\?xml[^>]*\?>\s*)?(<!--.*?-->\s*)*(<!DOCTYPE svg[^>]*>\s*)?<svg\b",
     "an SVG drawing, which must be converted to PNG first"),
    (r"<!doctype html|<html\b|<head\b|<body\b|(<!--.*?-->\s*)+<(!doctype html|html)", "an HTML page"),
    (r"<\?xml|<\w+[^>]*>", "XML"),
    (r"[\[{]\s*[\"\]}\[{]", "JSON"),
)  # fmt: skip
_HEAD_BYTES = 2048
_SHOWN = 60
_MAX_ACCENTS = 0.3  # share of accented characters in a text in a legacy encoding


def describe_type(data: bytes) -> str:
    """What a file is, in words, with the first words of a text."""
    if data[4:8] == b"ftyp":
        return next((_BY_BRAND[brand] for brand in brands_of(data) if brand in _BY_BRAND), "an MPEG-4 film")
    for beginning, words in _BY_BEGINNING:
        if data.startswith(beginning):
            return words
    head = data[:_HEAD_BYTES]
    if len(set(head)) == 1 and not head.isspace():
        return "the same byte over and over"
    text = _text_of(head)
    if text is None:
        return "binary data of no known kind"
    kind = next((words for pattern, words in _BY_TEXT if re.match(pattern, text, re.IGNORECASE | re.DOTALL)), "text")
    shown = printable(" ".join(text.split())[:_SHOWN])
    return f"{kind} (it begins with {shown!r})" if shown else "nothing but spaces"


def brands_of(data: bytes) -> list[bytes]:
    """The brands of a file of the MPEG-4 family, the major brand first."""
    brands = data[8 : min(int.from_bytes(data[:4]), 256)]
    return [brands[at : at + 4] for at in range(0, len(brands), 4) if at != 4]  # the second field is a version


def printable(text: str) -> str:
    """A text for messages: every character that is not printable becomes a question mark."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _text_of(head: bytes) -> str | None:
    """The beginning of a text file; None when it is not text."""
    has_bom = head.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        # final=False: the last character may be cut in two
        text = codecs.getincrementaldecoder("utf-16" if has_bom else "utf-8-sig")().decode(head, final=False)
    except UnicodeDecodeError:
        text = head.decode("cp1252", errors="replace")
        if sum(not c.isascii() for c in text) > _MAX_ACCENTS * len(text):
            return None
    return None if any(ord(c) < 32 and c not in "\t\r\n\f" for c in text) else text.lstrip()
