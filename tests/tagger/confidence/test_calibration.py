from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from tagger.confidence.calibration import calibrated, fit_curve, fit_temperature, refitted_error
from tagger.evaluation.metrics import Evaluation, Predicted, calibration_error
from tagger.models.bundle import Bundle
from tagger.models.image_pool import ImageRows
from tagger.models.levels import Levels, apply_curve, softmax
from tagger.schemas.documents.taxonomy import Level


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


def drawn_confidences(size: int, log_odds_of: Callable[[np.ndarray], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that a model states, and whether it was right: its true log-odds are a function of the stated."""
    rng = np.random.default_rng(0)
    stated = rng.beta(4, 1, size).astype(np.float32)
    true = 1 / (1 + np.exp(-log_odds_of(np.log(stated) - np.log1p(-stated))))
    return stated, rng.random(size) < true


@pytest.mark.parametrize(("slope", "shift"), [(1.8, 0.5), (0.5, 0.0), (1.0, -1.0)])
def test_a_curve_makes_probabilities_honest(slope: float, shift: float) -> None:
    stated, right = drawn_confidences(6000, lambda odds: slope * odds + shift)
    curve = fit_curve(stated, right)
    assert curve
    assert [curve.a, curve.b] == pytest.approx([slope, slope], abs=0.4)
    again, right_again = drawn_confidences(50_000, lambda odds: slope * odds + shift)
    assert calibration_error(apply_curve(curve, again), right_again) < 0.01 < calibration_error(again, right_again)
    rising = apply_curve(curve, np.linspace(0, 1, 1001))
    assert (np.diff(rising) >= 0).all()
    assert 0 < rising[0] < rising[-1] < 1


def test_a_refitted_curve_is_measured_on_other_items_beside_what_chance_gives() -> None:
    stated, right = drawn_confidences(12_000, lambda odds: 1.8 * odds + 0.5)
    predicted = Predicted(np.ones(len(right), bool), right, stated)
    first = np.arange(len(right)) < 6000
    found, by_chance = refitted_error(predicted.only(first), predicted.only(~first))
    assert calibration_error(stated, right) > 0.03
    assert 0.001 < by_chance < 0.015
    assert found == pytest.approx(by_chance, abs=0.01)


def test_honest_probabilities_and_few_items_stay_as_they_are() -> None:
    assert fit_curve(*drawn_confidences(6000, lambda odds: odds)) is None
    assert fit_curve(*drawn_confidences(12, lambda odds: 1.5 * odds)) is None
    stated, _ = drawn_confidences(100, lambda odds: odds)
    assert fit_curve(stated, np.ones(100, bool)) is None


@pytest.mark.parametrize(("size", "fitted"), [(900, False), (1500, True), (3000, True)])
def test_of_many_items_a_small_gain_is_taken(size: int, fitted: bool) -> None:
    assert bool(fit_curve(*drawn_confidences(size, lambda odds: 1.1 * odds))) is fitted


def test_a_level_whose_sum_is_unsure_gets_a_curve_that_predictions_have(bundle: Bundle) -> None:
    """Leaves of one master category share the doubt; that it is one of them is surer than the smoothed sum says."""
    rng = np.random.default_rng(1)
    levels = Levels(bundle.card.taxonomy)
    leaves = rng.integers(0, len(bundle.card.taxonomy.leaves), 4000)
    masters = levels.classes_of_leaves(leaves)[0]
    logits = rng.normal(0, 1, (4000, len(bundle.card.taxonomy.leaves))).astype(np.float32)
    logits += 1.5 * (levels.classes_of_leaves(np.arange(logits.shape[1]))[0] == masters[:, None])
    made = calibrated(bundle, logits, leaves, ImageRows.of(np.arange(len(leaves)), np.zeros(len(leaves))))
    curves = made.card.calibration.curves
    assert Level.MASTER_CATEGORY in curves
    assert made.card.model_id != bundle.card.model_id
    assert "curves" not in bundle.card.model_dump(by_alias=True)["calibration"]
    found = Evaluation.of_probabilities(
        "test", Levels(made.card.taxonomy, curves), softmax(logits, made.card.calibration.temperature), leaves,
        pd.DataFrame(index=range(4000)),
    )  # fmt: skip
    assert all(m.expected_calibration_error < 0.02 for m in found.metrics().levels.values())
