"""The notebook's tagger: which engine it takes, and when it chooses again."""

import numpy as np

from tagger.engines.choose import ENOUGH_IMAGES
from tagger.models.bundle import Bundle
from tagger.tagging.notebook import Tagger
from tests.builders import encoded, picture


def test_one_image_is_tagged_in_float32_and_many_choose_the_engine_again(bundle: Bundle) -> None:
    images: list[bytes] = [encoded(picture(24, 32, seed=n)) for n in range(ENOUGH_IMAGES)]
    notebook = Tagger(bundle)
    first = notebook.tag(images[:1])
    assert notebook.engine is not None
    assert notebook.engine.engine.endswith("float32")
    notebook.tag(images[:9])
    assert notebook.engine.images == 1, "so few more say nothing new"
    all_of_them = notebook.tag(images)
    assert notebook.engine.images == ENOUGH_IMAGES or notebook.engine.engine == "torch-cpu-float32"
    assert np.abs(all_of_them["articleTypeConfidence"][0] - first["articleTypeConfidence"][0]) < 0.05
