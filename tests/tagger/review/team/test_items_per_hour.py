"""The pace of review, from the times of decisions."""

import pandas as pd
import pytest

from tagger.review.team.pace import items_per_hour, work_seconds


def decided(by: str, count: int, seconds: float, start: str = "2026-11-30 09:00", first: int = 0) -> pd.DataFrame:
    times = pd.date_range(start, periods=count, freq=pd.Timedelta(seconds=seconds), tz="UTC")
    return pd.DataFrame({"id": [str(first + n) for n in range(count)], "decidedBy": by, "decidedAt": times})


def test_breaks_do_not_count_and_people_are_counted_for_themselves() -> None:
    later = decided("anna", 101, 6, "2026-11-30 15:00", 1000)
    both = pd.concat([decided("anna", 101, 6), later, decided("berta", 101, 18, first=5000)])
    hours = (200 * 6 + 100 * 18) / 3600
    assert items_per_hour(both.sample(frac=1, random_state=0)) == round(300 / hours) == 360


def test_a_changed_answer_is_one_item() -> None:
    once = decided("anna", 101, 6)
    again = once.assign(decidedAt=once["decidedAt"] + pd.Timedelta(seconds=2))
    assert items_per_hour(pd.concat([once, again])) == items_per_hour(once) == 600


@pytest.mark.parametrize(("count", "seconds"), [(0, 6), (50, 6), (100, 300)])
def test_few_decisions_have_no_pace(count: int, seconds: float) -> None:
    assert items_per_hour(decided("anna", count, seconds)) is None


def test_each_decision_took_the_time_since_the_one_before() -> None:
    start = pd.Timestamp("2026-11-01T09:00:00Z")
    at = [0, 10, 30, 30, 400, 405]  # two by one key press, and then a pause
    decisions = pd.DataFrame(
        {"decidedBy": ["Ann"] * 6 + ["Ben"], "decidedAt": [start + pd.Timedelta(s, "s") for s in [*at, 0]]}
    )
    took = work_seconds(decisions)
    mean = (10 + 20 + 5) / 4
    assert took.tolist() == pytest.approx([mean, 10, 10, 10, mean, 5, mean])
    assert work_seconds(decisions.iloc[:1]).isna().all()
