"""A model over decoded images: this process runs it on few of them, and others on many."""

import numpy as np
import pytest

from tagger.engines.torch import PreparedTorch
from tagger.models.bundle import Bundle
from tagger.tagging.on_ray import leaf_logits

pytestmark = pytest.mark.usefixtures("embedded_ray")
MANY, FEW = 520, 70


def test_few_images_have_the_logits_that_they_have_among_many(bundle: Bundle) -> None:
    import ray.data

    pixels = np.random.default_rng(0).integers(0, 256, (MANY, 48, 36, 3), dtype=np.uint8)
    rows = [{"id": f"{n:04}", "number": 0, "image": image, "leaf": n % 7} for n, image in enumerate(pixels)]
    prepared = PreparedTorch(bundle, "cpu", "float32", 32)
    many, few = (
        leaf_logits(ray.data.from_items(some[::-1]).materialize(), prepared, on_gpu=False)
        for some in (rows, rows[:FEW])
    )
    assert set(few) == {"id", "number", "leaf", "logits"}
    assert (few["id"].tolist(), len(many["id"])) == ([f"{n:04}" for n in range(FEW)], MANY)
    for name in few:
        np.testing.assert_array_equal(few[name], many[name][:FEW])
