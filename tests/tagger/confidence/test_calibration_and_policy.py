import numpy as np
import pytest

from schemas.prediction import Decision
from schemas.taxonomy import Level
from tagger.confidence.calibration import fit_temperature
from tagger.confidence.policy import decide


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_that_made_the_labels_is_found(temperature: float) -> None:
    rng = np.random.default_rng(0)
    honest = rng.normal(0, 2, (6000, 5))
    probabilities = np.exp(honest) / np.exp(honest).sum(axis=1, keepdims=True)
    labels = np.array([rng.choice(5, p=p) for p in probabilities])
    assert fit_temperature((honest * temperature).astype(np.float32), labels) == pytest.approx(temperature, rel=0.06)


def test_a_few_items_that_are_all_right_do_not_prove_certainty() -> None:
    logits = np.eye(4, dtype=np.float32)[np.arange(40) % 4] * 3
    temperature = fit_temperature(logits, np.arange(40) % 4)
    scaled = np.exp(logits[0] / temperature)
    assert 0.9 < scaled[0] / scaled.sum() < 0.99


def test_the_policy_accepts_backs_off_and_asks() -> None:
    accept_above = {Level.MASTER_CATEGORY: 0.9, Level.ARTICLE_TYPE: 0.8}
    master = np.array([0.95, 0.95, 0.85, 0.95, 0.90])
    article = np.array([0.85, 0.70, 0.99, 0.85, 0.80])
    doubted = np.array([False, False, False, True, False])
    assert decide(accept_above, master, article, doubted).tolist() == [
        Decision.ACCEPT, Decision.ACCEPT_MASTER_ONLY, Decision.REVIEW, Decision.REVIEW, Decision.ACCEPT,
    ]  # fmt: skip
