"""A file that is not an image is described in the message."""

import os

import pytest

from tagger.errors import ImageError
from tagger.imaging.decode import decode_whole
from tagger.schemas.tables.prediction import ErrorCode

KINDS = {
    "HEIC": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(300), "HEIC"),
    "HEIF": (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic" + bytes(300), "HEIF"),
    "JPEG XL": (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(200), "JPEG XL"),
    "bare JPEG XL": (b"\xff\x0a" + bytes(range(256)), "JPEG XL"),
    "SVG": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
    "SVG with a head": (b'<?xml version="1.0"?>\n<!-- made by hand -->\n<!DOCTYPE svg>\n<svg width="9"/>', "SVG"),
    "page": (b"\n<!DOCTYPE html><html><body>404</body></html>", "an HTML page (it begins with '<!DOCTYPE html>"),
    "error": (b'{"error": "AccessDenied"}', "JSON (it begins with '{\"error\": \"AccessDenied\"}')"),
    "S3": (b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>', "XML (it begins"),
    "words": ("Seite nicht gefunden: Größe".encode("latin-1"), "text (it begins with 'Seite nicht gefunden: Größe')"),
    "UTF-16": ("kein Bild".encode("utf-16"), "text (it begins with 'kein Bild')"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 12345\n", "git lfs pull"),
    "PDF": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "a PDF"),
    "ZIP": (b"PK\3\4" + bytes(range(256)), "a ZIP archive"),
    "film": (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "an MPEG-4 film"),
    "base64": (b"/9j/4AAQSkZJRgABAQAAAQ", "base64 of a JPEG"),
    "zeroes": (b"\0" * 4096, "the same byte over and over"),
    "noise": (b"\x01\x02\x1b[31m" + os.urandom(500), "binary data"),
    "escape": (b"\x1b[31mred", "binary data"),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(KINDS))
def test_a_file_that_is_no_picture_is_named_for_what_it_is(name: str) -> None:
    data, expected = KINDS[name]
    with pytest.raises(ImageError) as raised:
        decode_whole(data, 10**6)
    assert raised.value.code is ErrorCode.NOT_AN_IMAGE
    assert expected in raised.value.message
    assert raised.value.message.isprintable()


def test_messages_of_broken_pictures_have_no_binary_in_them() -> None:
    for data in (b"\x89PNG\r\n\x1a\n\0\0\0\rIH\x1bR" + os.urandom(99), b"\xff\xd8\xff\xe0" + os.urandom(99)):
        with pytest.raises(ImageError) as raised:
            decode_whole(data, 10**6)
        assert raised.value.message.isprintable()
        assert len(raised.value.message) < 300
