import cv2
import numpy as np
from PIL import ImageFilter

from tagger.imaging.decode import decode
from tagger.imaging.edges import all_with_edges, edge_map, with_edges
from tagger.imaging.quality import blur_score, blurred
from tagger.schemas.documents.bundle import Preprocessing
from tests.builders import encoded, picture

SIZE = Preprocessing(height=80, width=60, fit="pad", resize="area")


def square() -> np.ndarray:
    image = np.full((80, 60, 3), 255, np.uint8)
    image[20:60, 15:45] = 30
    return image


def test_edges_are_where_the_brightness_changes_and_nowhere_else() -> None:
    result = edge_map(square())
    assert set(np.unique(result)) == {0, 255}
    rows, columns = np.nonzero(result)
    border = (abs(rows - 20) <= 1) | (abs(rows - 59) <= 1) | (abs(columns - 15) <= 1) | (abs(columns - 44) <= 1)
    assert border.all()
    assert len(rows) > 100
    assert edge_map(blurred(square())).any(), "blurring must not wipe out all edges"
    assert not edge_map(np.full((20, 20, 3), 255, np.uint8)).any()


def test_the_fourth_channel_is_there_for_the_images_that_are_asked_for() -> None:
    sharp, soft = square(), cv2.GaussianBlur(square(), (0, 0), 5)
    threshold = (blur_score(sharp) + blur_score(soft)) / 2
    none, everyone = SIZE, SIZE.model_copy(update={"edges": "all"})
    blurry = SIZE.model_copy(update={"edges": "blurry", "edges_below": threshold})
    assert (none.channels, everyone.channels, blurry.channels) == (3, 4, 4)
    assert with_edges(sharp, none) is sharp
    assert (with_edges(sharp, everyone)[..., 3] == edge_map(sharp)).all()
    both = all_with_edges(np.stack([sharp, soft]), blurry)
    assert both.shape == (2, 80, 60, 4)
    assert (both[..., :3] == np.stack([sharp, soft])).all()
    assert not both[0, ..., 3].any()
    assert (both[1, ..., 3] == edge_map(soft)).all()


def test_a_decoded_image_has_the_channels_that_the_model_takes() -> None:
    data = encoded(picture(), "PNG")
    result = decode(data, SIZE.model_copy(update={"edges": "all"}), 10**6)
    assert result.pixels.shape == (80, 60, 4)
    assert (result.pixels[..., :3] == decode(data, SIZE, 10**6).pixels).all()


def test_tagging_sees_the_edges_that_training_saw_whatever_the_margin() -> None:
    square_photo = encoded(picture(40, 40).filter(ImageFilter.GaussianBlur(4)), "PNG")
    padded = decode(square_photo, SIZE, 10**6).pixels
    for threshold in (0.1, blur_score(padded) + 1):
        preprocessing = SIZE.model_copy(update={"edges": "blurry", "edges_below": threshold})
        tagged = decode(square_photo, preprocessing, 10**6).pixels
        assert (tagged == all_with_edges(padded[None], preprocessing)[0]).all()
