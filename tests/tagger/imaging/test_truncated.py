"""Files that end early: a picture that lacks a visible part is truncated, and no other is."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

from tagger.errors import ImageError
from tagger.imaging.decode import decode, decode_whole
from tagger.imaging.truncated import missing_share
from tagger.schemas.documents.bundle import Preprocessing
from tagger.schemas.tables.prediction import ErrorCode
from tests.builders import encoded, picture

LIMIT = 10_000_000
SIZE = Preprocessing(height=160, width=120, fit="pad", resize="bicubic")
KINDS: list[tuple[str, dict[str, Any]]] = [
    ("JPEG", {}),
    ("JPEG", {"subsampling": 0, "quality": 95}),
    ("JPEG", {"progressive": True}),
    ("JPEG", {"restart_marker_rows": 1}),
    ("PNG", {}),
    ("PNG", {"compress_level": 0}),
    ("WEBP", {}),
    ("WEBP", {"lossless": True}),
]
MODES = ["RGB", "L", "CMYK"]


def damaged(a: np.ndarray, b: np.ndarray) -> float:
    """Share of the area where two pictures look different."""
    assert a.shape == b.shape
    return float((np.abs(a.astype(int) - b.astype(int)).max(axis=2) > 40).mean())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_cut_at_every_share_a_picture_is_whole_to_the_eye_or_truncated(
    kind: str, options: dict[str, Any], mode: str
) -> None:
    if mode == "CMYK" and kind != "JPEG":
        pytest.skip("only JPEG has it")
    data = encoded(picture(240, 320).convert(mode), kind, **options)
    whole = decode_whole(data, LIMIT)
    for share in range(1, 100):
        cut = data[: len(data) * share // 100]
        try:
            decoded = decode_whole(cut, LIMIT)
        except ImageError as error:
            assert error.code is ErrorCode.TRUNCATED or share < 40, f"{share}%: {error}"  # less is not all the head
            with pytest.raises(ImageError):
                decode(cut, SIZE, LIMIT)
        else:
            assert share >= 60, share
            assert damaged(decoded, whole) < 0.03, share
            assert decode(cut, SIZE, LIMIT).pixels.shape == (160, 120, 3)


@pytest.mark.parametrize(("kind", "options"), [*KINDS, ("GIF", {}), ("BMP", {}), ("TIFF", {})])
def test_the_last_byte_is_no_visible_part(kind: str, options: dict[str, Any]) -> None:
    data = encoded(picture(241, 321), kind, **options)
    assert damaged(decode_whole(data[:-1], LIMIT), decode_whole(data, LIMIT)) < 0.01


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"restart_marker_rows": 2}])
@pytest.mark.parametrize("mode", MODES)
def test_a_jpeg_without_its_end_marker_or_part_of_its_last_block_is_a_picture(
    options: dict[str, Any], mode: str
) -> None:
    data = encoded(picture(120, 160).convert(mode), quality=92, **options)
    whole = decode_whole(data, LIMIT)
    assert damaged(decode_whole(data[:-2], LIMIT), whole) == 0
    assert damaged(decode_whole(data[:-5], LIMIT), whole) < 0.02
    assert decode_whole(data[:-2] + b"\xff", LIMIT).shape == (160, 120, 3)


def test_rows_of_grey_are_missing_even_where_an_end_marker_was_added() -> None:
    data = encoded(picture(120, 160), quality=92)
    with pytest.raises(ImageError, match=r"ends early: \d+% of it is missing") as raised:
        decode(data[: len(data) * 7 // 10] + b"\xff\xd9", SIZE, LIMIT)
    assert raised.value.code is ErrorCode.TRUNCATED


def test_a_picture_that_is_grey_itself_is_not_missing() -> None:
    grey = Image.new("RGB", (120, 160), (128, 128, 128))
    assert missing_share(np.asarray(grey)) == 1.0
    data = encoded(grey)
    assert decode_whole(data, LIMIT).shape == (160, 120, 3)
    assert decode_whole(data[:-2], LIMIT).shape == (160, 120, 3)
    assert decode_whole(data[:-2] + b"\0\0\0" + data[-2:], LIMIT).shape == (160, 120, 3)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "I;16"])
def test_a_png_without_its_checksum_or_its_end_is_a_picture(mode: str, interlaced: bool) -> None:
    source = picture(61, 83).convert("RGB" if mode == "P" else mode)
    data = encoded(source.quantize(64) if mode == "P" else source, "PNG")
    whole = decode_whole(data, LIMIT)
    for cut in (12, 16, 17, 18, 19, 20):  # IEND, IDAT's checksum, and what the stream's own checksum has
        assert damaged(decode_whole(data[:-cut], LIMIT), whole) == 0
    end = data.rindex(b"IEND") - 8
    assert damaged(decode_whole(data[: end - 4] + b"\0\0\0\0" + data[end:], LIMIT), whole) == 0
