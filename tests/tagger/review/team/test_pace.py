"""Decisions that stand, per hour of active time, and corrections."""

from datetime import UTC, datetime, timedelta

import pytest

from tagger.review.store.records import LogRow
from tagger.review.team.pace import paces

START = datetime(2026, 11, 30, 9, tzinfo=UTC)


def row(seconds: float, verdict: str = "accepted", person: str = "Ann", undone: bool = False) -> LogRow:
    return LogRow(person, START + timedelta(seconds=seconds), verdict, undone)


def test_pauses_do_not_count_and_neither_does_the_first_decision_after_one() -> None:
    before = [row(10 * n) for n in range(61)]  # ten minutes, a decision every ten seconds
    after_lunch = [row(3600 + 10 * n) for n in range(61)]
    (pace,) = paces(before + after_lunch)
    assert (pace.decisions, pace.timed, pace.active) == (122, 120, timedelta(minutes=20))
    assert pace.per_hour == pytest.approx(360)


def test_the_longest_gap_that_is_no_pause_is_the_one_that_was_named() -> None:
    log = [row(0), row(120), row(241)]
    assert paces(log)[0].active == timedelta(seconds=120)
    assert paces(log, pause=timedelta(seconds=121))[0].active == timedelta(seconds=241)
    assert paces(log, pause=timedelta(seconds=119))[0].per_hour is None


def test_undone_decisions_and_skips_take_time_and_do_not_stand() -> None:
    log = [row(0), row(10, undone=True), row(20, "undone"), row(30, "skipped"), row(40, "corrected")]
    (pace,) = paces(log)
    assert (pace.decisions, pace.timed, pace.undone) == (2, 1, 1)
    assert pace.per_hour == pytest.approx(3600 / 40)


def test_items_of_one_key_press_are_that_many_decisions_in_the_time_of_one() -> None:
    grid = [row(30) for _ in range(48)]
    (pace,) = paces([row(0), *grid])
    assert (pace.timed, pace.active) == (48, timedelta(seconds=30))
    assert pace.per_hour == pytest.approx(5760)
    (at_first,) = paces(grid)
    assert (at_first.decisions, at_first.per_hour) == (48, None), "nobody knows how long they took"


def test_the_share_of_corrections_is_of_what_says_what_the_item_is() -> None:
    verdicts = ["accepted"] * 7 + ["corrected"] * 2 + ["master_only", "unusable"]
    log = [row(n, verdict) for n, verdict in enumerate(verdicts)] + [row(50, "corrected", undone=True)]
    (pace,) = paces(log)
    assert (pace.about_tags, pace.corrected, pace.corrected_share) == (10, 2, 0.2)
    assert pace.lowest_corrected == pytest.approx(0.02521, abs=1e-5)  # R: binom.test(2, 10)
    assert pace.highest_corrected == pytest.approx(0.55610, abs=1e-5)
    (skipped,) = paces([row(0, "skipped")])
    assert (skipped.corrected_share, skipped.lowest_corrected) == (None, None)


def test_people_are_told_apart_whatever_the_order_of_the_log() -> None:
    log = [row(10, person="Berta"), row(5), row(0, person="Berta"), row(0), row(20, person="Berta")]
    found = paces(log)
    assert [(pace.person, pace.decisions, pace.active.total_seconds()) for pace in found] == [
        ("Ann", 2, 5), ("Berta", 3, 20)
    ]  # fmt: skip
    assert paces([]) == []


def test_what_is_not_understood_is_refused() -> None:
    with pytest.raises(ValueError, match="not known: maybe"):
        paces([row(0, "maybe")])
    with pytest.raises(ValueError, match="pause"):
        paces([row(0)], pause=timedelta(0))
