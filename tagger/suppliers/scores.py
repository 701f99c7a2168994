"""The scores of groups of items: suppliers, brands or seasons, with their trend."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control, fisher_exact

from tagger.evaluation.intervals import share
from tagger.suppliers.arrivals import UNUSABLE, Arrivals, Fault

_TREND_P = 0.05
BETTER, WORSE, STEADY = "better", "worse", ""
FAULTS = {"missing": Fault.MISSING, "broken": Fault.BROKEN, "blurry": Fault.BLURRY, "shared": Fault.SHARED}


@dataclass(frozen=True)
class Scores:
    """The scores of all groups."""

    groups: pd.DataFrame
    """A row for each group, those first that surely have most unusable pictures: `group`, `items`; of these `missing`,
    `broken`, `blurry`, `shared`, `unusable` (any of the first three), `still_unusable`, `waiting`; `lowest` and
    `highest`, the 95% interval of the share of unusable ones (Wilson 1927); `labels_judged`, `labels_wrong`; `minutes`
    of review, NaN where no time is known; `newest` and `earlier`, the shares of unusable ones in the newest period and
    before, NaN without items there; `trend`."""
    periods: pd.DataFrame
    """A row for each group and period: `group`, `period`, `items`, and the same faults."""


def score(
    arrivals: Arrivals, groups: np.ndarray, names: list[str], periods: np.ndarray, review: pd.DataFrame
) -> Scores:
    """Score groups of items.

    A trend is one where Fisher's exact test of the newest period against those before is below 0.05 after the
    correction of Benjamini and Hochberg (1995) over the groups.

    Args:
        arrivals: The items.
        groups: Of each item, int [N].
        names: Of the groups.
        periods: Of each item, such as `2026-11`, [N]; later ones sort behind.
        review: What people decided: `group` (its index), `judged` and `wrong`, whether a delivered label was, and
            `seconds`, what the decision took because of the item, NaN where it is not known.
    """
    items = pd.DataFrame({"group": groups, "period": periods, "items": 1, "waiting": arrivals.waits})
    for name, fault in FAULTS.items():
        items[name] = (arrivals.faults & fault) > 0
    items["unusable"] = (arrivals.faults & UNUSABLE) > 0
    items["still_unusable"] = ((arrivals.faults & UNUSABLE) > 0) & ((arrivals.still & UNUSABLE) > 0)
    counted = ["items", *FAULTS, "unusable"]
    by_period = items.groupby(["group", "period"])[counted].sum().reset_index()
    table = items.groupby("group")[[*counted, "still_unusable", "waiting"]].sum().reset_index()
    table = table.merge(_of_review(review), on="group", how="left")
    table[["labels_judged", "labels_wrong"]] = table[["labels_judged", "labels_wrong"]].fillna(0).astype(int)
    ends = [share(faulty, items) for faulty, items in table[["unusable", "items"]].astype(int).itertuples(index=False)]
    table["lowest"], table["highest"] = [end.low for end in ends], [end.high for end in ends]
    table = table.merge(_trends(by_period), on="group", how="left")
    table = table.sort_values(["lowest", "items"], ascending=False, kind="stable").reset_index(drop=True)
    for frame in (table, by_period):
        frame["group"] = [names[number] for number in frame["group"]]
    return Scores(table, by_period)


def _of_review(review: pd.DataFrame) -> pd.DataFrame:
    rows = [
        {
            "group": group, "labels_judged": int(of["judged"].sum()), "labels_wrong": int(of["wrong"].sum()),
            "minutes": of["seconds"].sum(min_count=1) / 60,
        }
        for group, of in review.groupby("group")
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["group", "labels_judged", "labels_wrong", "minutes"])


def _trends(by_period: pd.DataFrame) -> pd.DataFrame:
    """Of each group: newest, earlier, trend."""
    newest = by_period["period"].max()
    rows = []
    for group, of in by_period.groupby("group"):
        now, before = (of.loc[mask, ["unusable", "items"]].sum() for mask in (of.period == newest, of.period != newest))
        shares = [float(x["unusable"] / x["items"]) if x["items"] else np.nan for x in (now, before)]
        p = np.nan
        if now["items"] and before["items"]:
            p = fisher_exact([[x["unusable"], x["items"] - x["unusable"]] for x in (now, before)]).pvalue
        rows.append((group, *shares, p))
    table = pd.DataFrame(rows, columns=["group", "newest", "earlier", "p"])
    known = table["p"].notna()
    if known.any():
        table.loc[known, "p"] = false_discovery_control(table.loc[known, "p"].clip(0, 1))
    is_trend = table["p"] <= _TREND_P
    table["trend"] = np.where(~is_trend, STEADY, np.where(table["newest"] > table["earlier"], WORSE, BETTER))
    return table.drop(columns="p")
