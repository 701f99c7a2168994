"""Scores of groups: counts that add up, an order that few items do not lead, and trends that chance does not make."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tagger.flow.id_rows import IdRows
from tagger.suppliers.arrivals import Arrivals, Fault
from tagger.suppliers.scores import BETTER, STEADY, WORSE, score
from tagger.workflows.suppliers import _file_names


def arrivals(faults: list[Fault | int], pictures: Sequence[tuple[int, int]] = ()) -> Arrivals:
    found = np.array(faults, np.uint8)
    digests = np.array([*pictures], [("digest", np.uint64), ("item", np.int64)])
    n = len(found)
    return Arrivals(IdRows(), np.zeros(n, np.int32), found, found.copy(), np.zeros(n, bool), digests)


NO_REVIEW = pd.DataFrame(columns=["group", "judged", "wrong", "seconds"])


def test_a_group_of_three_items_does_not_lead_one_of_a_hundred() -> None:
    faults = [Fault.MISSING] + [0, 0] + [Fault.BLURRY] * 20 + [Fault.BROKEN] * 10 + [0] * 70
    groups = np.array([0] * 3 + [1] * 100)
    scores = score(arrivals(faults), groups, ["few", "many"], np.array(["2026-01"] * 103), NO_REVIEW)
    many, few = scores.groups.to_dict("records")
    assert (many["group"], few["group"]) == ("many", "few"), "30 of 100 say more than 1 of 3"
    assert [many[name] for name in ("items", "missing", "broken", "blurry", "unusable")] == [100, 0, 10, 20, 30]
    assert few["lowest"] < many["lowest"] < 0.3 < many["highest"] < few["highest"]
    assert many["trend"] == STEADY and np.isnan(many["earlier"]) and np.isnan(many["minutes"])


def test_a_trend_is_more_than_chance_and_has_a_direction() -> None:
    counts = {"up": (5, 40), "down": (40, 5), "same": (20, 21)}
    faults, groups, periods = [], [], []
    for group, of in enumerate(counts.values()):
        for period, faulty in zip(("2026-01", "2026-02"), of, strict=True):
            faults += [Fault.MISSING] * faulty + [0] * (100 - faulty)
            groups += [group] * 100
            periods += [period] * 100
    scores = score(arrivals(faults), np.array(groups), list(counts), np.array(periods), NO_REVIEW)
    trends = scores.groups.set_index("group")["trend"].to_dict()
    assert trends == {"up": WORSE, "down": BETTER, "same": STEADY}
    assert scores.periods[["items", "unusable"]].sum().tolist() == [600, 131]


def test_a_picture_is_shared_within_a_group_alone() -> None:
    found = arrivals([0] * 6, [(7, 0), (7, 1), (7, 2), (8, 3), (8, 3), (9, 4), (9, 5)])
    found.mark_shared(np.array([0, 0, 1, 0, 1, 1]))
    shared = np.flatnonzero(found.faults & Fault.SHARED)
    assert shared.tolist() == [0, 1, 4, 5], "item 2 has another group, and item 3 has its own picture twice"


def test_review_is_counted_by_group() -> None:
    review = pd.DataFrame(
        [(0, True, True, 60.0), (0, False, False, 30.0), (1, True, False, float("nan"))],
        columns=["group", "judged", "wrong", "seconds"],
    )
    scores = score(arrivals([0, 0, 0]), np.array([0, 1, 2]), ["a", "b", "c"], np.array(["2026"] * 3), review)
    a, b, c = scores.groups.sort_values("group").to_dict("records")
    assert [a[name] for name in ("labels_judged", "labels_wrong", "minutes")] == [1, 1, 1.5]
    assert b["labels_judged"] == 1 and np.isnan(b["minutes"])
    assert c["labels_judged"] == 0


def test_file_names_are_plain_and_distinct_on_every_system() -> None:
    names = _file_names(["H&M", "H/M", "h m", "../../etc", "Ünï", "***", "x" * 200])
    assert list(names.values())[:6] == ["H-M", "H-M-2", "h-m-3", "etc", "Ünï", "group"]
    assert len(names["x" * 200]) == 60
