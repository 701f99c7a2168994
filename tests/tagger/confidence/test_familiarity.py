"""The familiarity below which images are unfamiliar."""

import numpy as np
import pytest

from tagger.confidence.familiarity import familiarity_card
from tagger.confidence.neighbours import Scored
from tagger.models.familiarity import Familiarity

_KNOWN = np.arange(1000.0)


def _scored(strangers: np.ndarray) -> tuple[Familiarity, Scored]:
    return Familiarity((), _KNOWN.astype(np.float32)), Scored(_KNOWN, strangers, strangers - 50)


def test_four_fifths_of_the_sure_strangers_are_found() -> None:
    strangers = np.concatenate([np.linspace(930, 1030, 100), np.zeros(100)])
    confidence = np.where(strangers > 0, 0.95, 0.5)  # those that nobody would accept decide nothing
    card = familiarity_card(*_scored(strangers), confidence)
    assert card.below == pytest.approx(0.05, abs=0.002)
    assert (card.held_out, card.left_out) == (1000, 200)
    assert card.found == pytest.approx(0.4, abs=0.01)
    assert card.found is not None
    assert card.found_unseen is not None
    assert card.found_unseen < card.found
    assert card.auroc == pytest.approx(((strangers[:, None] > _KNOWN).mean() + 0), abs=0.01)


@pytest.mark.parametrize(("strangers", "below"), [(1e6, 0.02), (500.0, 0.1)])
def test_the_share_of_known_items_stays_within_limits(strangers: float, below: float) -> None:
    assert familiarity_card(*_scored(np.full(100, strangers)), np.ones(100)).below == pytest.approx(below)


@pytest.mark.parametrize("strangers", [0, 10])
def test_too_few_strangers_leave_the_usual_share(strangers: int) -> None:
    card = familiarity_card(*_scored(np.full(strangers, 1e6)), np.ones(strangers))
    assert card.below == 0.02
    assert (card.auroc is None) == (strangers == 0)
