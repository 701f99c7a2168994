"""A night is judged: without drift seldom an alarm, with drift the right one, and other types alone hold nothing."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tagger.drift.conditional import Conditional, Score
from tagger.drift.items import items_of, shares_of
from tagger.drift.judge import Judged, judge
from tagger.drift.label_shift import soft_labels
from tagger.drift.planted import Plant, Pool, planted, without_type
from tagger.drift.resampling import ENOUGH, holm, p_values, resamples_for
from tagger.drift.sample import Night, Sample, night_of
from tagger.io.location import Location
from tagger.runs.directory import RunDirectory
from tagger.schemas.documents.drift import Statistic
from tests.drift_nights import TYPES, sample, write_night

RATE = 0.01


def alarms(night: Sample, reference: Sample, failed: int = 0) -> tuple[set[Statistic], Judged]:
    judged = judge(Night(night, failed), Night(reference, 5), RATE, 0.01)
    return {finding.statistic for finding in judged.alarms}, judged


@pytest.fixture(scope="module")
def reference() -> Sample:
    return sample(np.random.default_rng(1), 4000)


def test_p_values_of_nothing_are_at_a_level_as_seldom_as_it_says_however_early_they_stop() -> None:
    rng = np.random.default_rng(0)
    found = [p_values(rng.normal(size=1), lambda n: rng.normal(size=(n, 1)), 199)[0] for _ in range(2000)]
    for level in (0.01, 0.05, 0.2):
        share = np.mean(np.array(found) <= level)
        assert share < level + 3 * np.sqrt(level / 2000)


def test_a_statistic_that_is_clearly_no_alarm_costs_few_resamples_and_an_alarm_is_counted_to_the_end() -> None:
    drawn: list[int] = []

    def draw(number: int) -> np.ndarray:
        drawn.append(number)
        return np.ones((number, 2))

    assert p_values(np.array([0.0, 1.0]), draw, 1000).tolist() == [1.0, 1.0]
    assert sum(drawn) < 4 * ENOUGH + 1
    assert p_values(np.array([2.0]), lambda n: np.ones((n, 1)), 1999).tolist() == [1 / 2000]
    assert 2 / (resamples_for(0.001) + 1) <= 0.001


def test_holm_multiplies_the_smallest_by_all_and_the_largest_by_one() -> None:
    assert holm(np.array([0.01, 0.04, 0.03])).tolist() == pytest.approx([0.03, 0.06, 0.06])
    assert holm(np.array([0.5, 0.9])).tolist() == [1.0, 1.0]


def test_without_drift_alarms_are_as_rare_as_was_asked(reference: Sample) -> None:
    rng = np.random.default_rng(2)
    nights = [alarms(sample(rng, 150), reference)[0] for _ in range(60)]
    assert sum(bool(found) for found in nights) <= 4  # of 60 at 1 in 100: more have a probability of 0.0003


def test_other_types_than_usual_are_said_and_hold_nothing(reference: Sample) -> None:
    night = sample(np.random.default_rng(3), 600, shares=(0.05, 0.45, 0.45, 0.025, 0.025))  # those it is least sure of
    found, judged = alarms(night, reference)
    assert {Statistic.LABELS, Statistic.LABEL_MIX} <= found
    assert not judged.holds
    assert judged.expected_accuracy is not None
    assert judged.expected_accuracy < reference.confidence.mean() - 0.015, "a comparison that ignores types would hold"
    assert judged.accuracy_of_same_mix == pytest.approx(judged.expected_accuracy, abs=0.02)


def test_a_doubt_about_the_same_types_holds_and_the_items_are_named(reference: Sample) -> None:
    night = sample(np.random.default_rng(4), 600, doubt=0.15)
    found, judged = alarms(night, reference)
    assert {Statistic.CONFIDENCE, Statistic.EXPECTED_ACCURACY} <= found
    assert judged.holds
    (about,) = [of for of in items_of(night, reference, judged) if of.statistic is Statistic.CONFIDENCE]
    assert about.values == sorted(about.values)
    assert max(about.values) < np.median(night.confidence)


def test_blurry_pictures_are_said_and_hold_nothing_where_the_model_is_as_sure(reference: Sample) -> None:
    found, judged = alarms(sample(np.random.default_rng(5), 400, blurred=0.2), reference)
    assert (found, judged.holds) == ({Statistic.BLUR}, False)


def test_failed_pictures_are_said(reference: Sample) -> None:
    found, judged = alarms(sample(np.random.default_rng(6), 400), reference, failed=40)
    assert (found, judged.holds) == ({Statistic.FAILED}, False)


def test_items_that_look_like_another_type_hold_though_the_model_is_sure(reference: Sample) -> None:
    night = sample(np.random.default_rng(7), 600)
    rows = np.flatnonzero(night.types == "Jeans")
    other = np.random.default_rng(8).normal(size=(len(rows), night.vectors.shape[1]))
    vectors = night.vectors.copy()
    vectors[rows] = (other / np.linalg.norm(other, axis=1, keepdims=True)).astype(np.float16)
    found, judged = alarms(replace(night, vectors=vectors), reference)
    assert Statistic.LIKENESS in found
    assert judged.holds
    (about,) = [of for of in items_of(night, reference, judged) if of.statistic is Statistic.LIKENESS]
    assert sum(kind == "Jeans" for kind in about.types[:20]) >= 15


def test_types_that_were_rare_before_cannot_be_compared_which_holds_nothing() -> None:
    few = sample(np.random.default_rng(16), 400)
    night = sample(np.random.default_rng(17), 200, shares=(0, 0, 0, 1, 0))
    found, judged = alarms(night, few)
    assert Statistic.LABELS in found
    assert {Statistic.CONFIDENCE, Statistic.EXPECTED_ACCURACY, Statistic.LIKENESS} <= judged.too_few
    assert not judged.holds
    assert judged.expected_accuracy is None


def test_without_vectors_the_rest_is_judged(reference: Sample) -> None:
    bare = replace(sample(np.random.default_rng(9), 100), vectors=np.empty((100, 0), np.float16))
    statistics = {finding.statistic for finding in alarms(bare, reference)[1].findings}
    assert statistics == set(Statistic) - {Statistic.LIKENESS, Statistic.LOOK}


def test_what_is_not_known_of_older_runs_is_left_out(reference: Sample) -> None:
    old = replace(reference, brightness=np.full(len(reference), np.nan, np.float32))
    statistics = {finding.statistic for finding in alarms(sample(np.random.default_rng(9), 100), old)[1].findings}
    assert Statistic.BRIGHTNESS not in statistics


def test_the_reference_counts_as_if_its_items_were_of_the_nights_types(reference: Sample) -> None:
    shares = (0.05, 0.05, 0.1, 0.1, 0.7)
    night = sample(np.random.default_rng(10), 3000, shares=shares)
    both = Conditional(
        *soft_labels(night, reference),
        scores=[Score(night.confidence, reference.confidence, "low")],
        rng=np.random.default_rng(0),
    )
    counted = {name: float(both.weights[reference.types == name].sum()) for name in TYPES}
    for name in TYPES:
        assert counted[name] == pytest.approx(float((night.types == name).mean()), abs=0.02)
    assert both.weights.sum() == pytest.approx(1)


def test_the_types_that_have_changed_most_come_first(reference: Sample) -> None:
    night = sample(np.random.default_rng(11), 500, shares=(0.1, 0.3, 0.2, 0.1, 0.3))
    first, second, *_ = shares_of(night, reference)
    assert {first.name, second.name} == {"Shirts", "Watches"}
    assert sum(of.items for of in shares_of(night, reference)) == 500


@pytest.mark.parametrize("plant", Plant)
def test_a_plant_changes_what_it_says_and_takes_each_item_once(plant: Plant) -> None:
    rng = np.random.default_rng(12)
    whole = sample(rng, 3000)
    blurred = replace(whole.take(np.arange(1500)), blur=np.full(1500, 2, np.float32))
    blurred = replace(blurred, digests=np.array([f"b{d}" for d in blurred.digests], object))
    night, rest = planted(plant, Pool(whole, blurred=blurred), 500, rng)
    assert len(night) == 500
    assert not set(night.ids) & set(rest.ids)
    shares = {name: (night.types == name).mean() / (whole.types == name).mean() for name in TYPES}
    match plant:
        case Plant.NOTHING:
            assert max(abs(share - 1) for share in shares.values()) < 0.6
        case Plant.DOUBLED:
            assert sum(1.5 < share < 2.7 for share in shares.values()) == 1
        case Plant.BATCH:
            assert sum(sorted((night.types == name).mean() for name in TYPES)[-2:]) > 0.55
        case Plant.BLURRED:
            assert (night.blur == 2).sum() == 100
        case Plant.UNKNOWN:
            assert len({*night.types, *rest.types}) == len(TYPES) - 1
        case Plant.SWAPPED:
            assert min(shares.values()) == 0


def test_a_model_without_a_type_divides_its_probability_among_the_others() -> None:
    (leaves,) = sample(np.random.default_rng(13), 1).leaves
    one = sample(np.random.default_rng(13), 1)
    best, second = (leaf.partition("\0")[2] for leaf in leaves[:2])
    left = without_type(one, best)
    assert left.types.tolist() == [second]
    assert left.confidence[0] == pytest.approx(one.probabilities[0, 1] / (1 - one.probabilities[0, 0]), rel=1e-4)
    assert left.probabilities.sum() == pytest.approx(1, abs=1e-4)
    assert without_type(one, "Hats").confidence[0] == pytest.approx(one.confidence[0], rel=1e-4)


def test_of_a_large_run_some_items_are_drawn_and_all_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunDirectory(Location(str(write_night(tmp_path / "r", sample(np.random.default_rng(18), 900), failed=10))))
    whole = night_of(run)
    assert (len(whole.sample), whole.items) == (900, 910)
    monkeypatch.setattr("tagger.drift.sample.MOST_ITEMS", 200)
    drawn = night_of(run)
    assert (len(drawn.sample), drawn.failed, drawn.items) == (200, 10, 910)
    assert set(drawn.sample.ids) <= set(whole.sample.ids)
    assert not np.isnan(drawn.sample.vectors).any()


def test_one_picture_counts_once() -> None:
    one = sample(np.random.default_rng(14), 50)
    joined = Sample.joined([one, one.take(np.arange(10)), sample(np.random.default_rng(15), 5)])
    assert len(joined) == 55
    assert len(Night(joined, 0).new_against(one).sample) == 5
