"""What is planted to measure a check is what it says."""

from collections import Counter

import numpy as np
import pytest

from tagger.drift.planted import Plant, Pool, planted
from tests.drift_nights import sample


@pytest.mark.parametrize(("plant", "most"), [(Plant.BATCH, 0.4), (Plant.DOUBLED, 0.4)])
def test_a_harmless_night_is_not_filled_with_a_type_that_the_model_does_not_know(plant: Plant, most: float) -> None:
    rng = np.random.default_rng(0)
    items = sample(rng, 2000)
    types = items.types.copy()
    types[rng.random(len(types)) < 0.3] = "Saris"
    of = dict(zip(items.ids.tolist(), types.tolist(), strict=True))
    for _ in range(10):
        night, reference = planted(plant, Pool(items, types), 100, rng)
        assert len(night) == 100
        assert len(night) + len(reference) == len(items)
        counts = Counter(of[item] for item in night.ids.tolist())
        assert counts["Saris"] < most * 100
        if plant is Plant.BATCH:
            assert sum(n for name, n in counts.most_common() if name != "Saris") >= 50
