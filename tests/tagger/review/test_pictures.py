"""Pictures for the page take a bounded amount of memory, whatever their files say."""

import io
import threading

import pytest
from PIL import Image

from tagger.errors import ImageError
from tagger.review.web import pictures
from tagger.review.web.pictures import WHOLE_PIXELS, BusyError, for_browser, room_to_decode
from tagger.schemas.tables.prediction import ErrorCode
from tests.builders import encoded

MOST = 100_000_000
SIDES = (8000, 5000)


def large(kind: str, mode: str = "L", **options: object) -> bytes:
    return encoded(Image.new(mode, SIDES, 200), kind, **options)


@pytest.mark.parametrize(
    ("kind", "options"), [("PNG", {}), ("JPEG", {"progressive": True}), ("TIFF", {"compression": "tiff_lzw"})]
)
def test_a_small_file_with_very_many_pixels_is_refused_before_any_is_decoded(
    kind: str, options: dict[str, object]
) -> None:
    assert SIDES[0] * SIDES[1] > WHOLE_PIXELS
    with pytest.raises(ImageError, match=r"8000 × 5000 is more than the 30 million pixels .*save it smaller") as caught:
        for_browser(large(kind, "L", **options), MOST)
    assert caught.value.code == ErrorCode.TOO_MANY_PIXELS


def test_a_plain_jpeg_of_that_size_is_shown_smaller() -> None:
    shown = for_browser(large("JPEG"), MOST)
    assert max(Image.open(io.BytesIO(shown.data)).size) == 1200


def test_large_pictures_are_decoded_one_at_a_time_and_small_ones_do_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "_TIMEOUT_S", 0.05)
    data, small = encoded(Image.new("L", (2500, 2000)), "PNG"), encoded(Image.new("L", (250, 200)), "PNG")
    with room_to_decode(data):
        with room_to_decode(small):
            pass
        refused: list[BaseException] = []

        def another() -> None:
            try:
                for_browser(encoded(Image.new("RGB", (2500, 2000)), "BMP"), MOST)
            except BusyError as error:
                refused.append(error)

        thread = threading.Thread(target=another)
        thread.start()
        thread.join()
        assert "busy with other large images" in str(refused[0])
    with room_to_decode(data):
        pass
