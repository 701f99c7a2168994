"""How fast people decide, and how often they correct the model, from the log of a review."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby, pairwise

import pandas as pd
from scipy.stats import binomtest

from tagger.review.store.log import LEAVE_IT_WAITING, UNDONE
from tagger.review.store.records import LogRow
from tagger.schemas.tables.decision import Verdict

PAUSE = timedelta(minutes=2)
"""Who makes no entry for longer than this has paused."""
_ENOUGH = 50
_NO_DECISIONS = {UNDONE, *LEAVE_IT_WAITING}
_ABOUT_TAGS = {Verdict.ACCEPTED, Verdict.CORRECTED, Verdict.MASTER_ONLY}


@dataclass(frozen=True)
class Pace:
    """What a person has decided, and how fast."""

    person: str
    decisions: int
    """Decisions that stand."""
    timed: int
    """Those of them whose time is known. It is not known of the first answer, nor of the first after a pause."""
    undone: int
    active: timedelta
    """Time between entries, without pauses. What was undone, and skips, took time, too."""
    about_tags: int
    """Decisions that stand and say what the item is: accepted, corrected or master category only."""
    corrected: int
    """Those of them that correct the tag."""
    lowest_corrected: float | None
    """With `highest_corrected`, the confidence interval of the share of corrections, 0 to 1; None without any."""
    highest_corrected: float | None

    @property
    def per_hour(self) -> float | None:
        """Decisions that stand, per hour of active time; None while no time is known."""
        return self.timed / (self.active / timedelta(hours=1)) if self.active else None

    @property
    def corrected_share(self) -> float | None:
        """Share of corrections among the decisions about tags, 0 to 1; None without any."""
        return self.corrected / self.about_tags if self.about_tags else None


def paces(log: Iterable[LogRow], pause: timedelta = PAUSE, probability: float = 0.95) -> list[Pace]:
    """What each person has decided, and how fast, by name.

    The interval of corrections is exact for independent decisions (Clopper and Pearson 1934). Items that one key press
    decided together are alike, so where there are many of them, it is too narrow.

    Args:
        log: Entries in any order.
        pause: The longest time between two entries of a person that counts as work.
        probability: Coverage of the interval, 0 to 1.

    Raises:
        ValueError: when the log has an unknown verdict, or the pause is not above zero.
    """
    if pause <= timedelta(0):
        raise ValueError(f"pause must be longer than no time, not {pause}")
    rows = sorted(log, key=lambda row: (row.person, row.at))
    unknown = {row.verdict for row in rows} - {*Verdict, *_NO_DECISIONS}
    if unknown:
        raise ValueError(f"the log has verdicts that are not known: {', '.join(sorted(unknown))}")
    return [
        _pace(person, list(entries), pause, probability)
        for person, entries in groupby(rows, key=lambda row: row.person)
    ]


def per_person_hour(team: Iterable[Pace], fewest: int = 20) -> float | None:
    """Decisions that stand, per hour of one person's active time; None while the times of too few are known.

    Args:
        team: The pace of each person.
        fewest: Decisions whose time must be known.
    """
    known = list(team)
    timed = sum(pace.timed for pace in known)
    active = sum((pace.active for pace in known), timedelta(0))
    return timed / (active / timedelta(hours=1)) if timed >= fewest and active else None


def items_per_hour(decisions: pd.DataFrame) -> int | None:
    """Items that one person reviews in an hour of work; None while the times of fewer than 50 decisions are known.

    Args:
        decisions: id, decidedBy and decidedAt; an item may have several, of which the last one of a person counts.
    """
    last = decisions.sort_values("decidedAt", kind="stable").drop_duplicates(["id", "decidedBy"], keep="last")
    times = zip(last["decidedBy"], last["decidedAt"], strict=True)
    per_hour = per_person_hour(paces(LogRow(person, at, Verdict.ACCEPTED) for person, at in times), _ENOUGH)
    return None if per_hour is None else max(1, round(per_hour))


def work_seconds(decisions: pd.DataFrame, pause: timedelta = PAUSE) -> pd.Series:
    """What each decision took, in seconds: the time since its person's decision before.

    Decisions of one key press share its time. The first one of a person, and one after a pause, takes what the others
    of that person took on average, or, where nothing else of the person is known, of all.

    Args:
        decisions: decidedBy and decidedAt.
        pause: The longest time between two decisions of a person that counts as work.

    Returns:
        Seconds by the index of `decisions`; NaN for all where no time is known.
    """
    at_once = decisions.groupby(["decidedBy", "decidedAt"]).size().rename("together").reset_index()
    took = at_once.groupby("decidedBy")["decidedAt"].diff().dt.total_seconds()
    known = took.where(took <= pause.total_seconds()) / at_once["together"]
    total, items = known * at_once["together"], at_once["together"].where(known.notna())
    own = total.groupby(at_once["decidedBy"]).transform("sum") / items.groupby(at_once["decidedBy"]).transform("sum")
    everyone = total.sum() / items.sum() if items.sum() else float("nan")
    at_once["seconds"] = known.fillna(own).fillna(everyone)
    merged = decisions.reset_index().merge(at_once, on=["decidedBy", "decidedAt"], how="left")
    return pd.Series(merged["seconds"].to_numpy(), index=decisions.index)


def _pace(person: str, rows: list[LogRow], pause: timedelta, probability: float) -> Pace:
    """The pace of one person, from their entries in order of time."""
    moments = sorted({row.at for row in rows})
    worked = {later: later - earlier for earlier, later in pairwise(moments) if later - earlier <= pause}
    standing = [row for row in rows if row.verdict not in _NO_DECISIONS and not row.undone]
    about_tags = [row for row in standing if row.verdict in _ABOUT_TAGS]
    corrected = sum(row.verdict == Verdict.CORRECTED for row in about_tags)
    lowest = highest = None
    if about_tags:
        ends = binomtest(corrected, len(about_tags)).proportion_ci(probability, method="exact")
        lowest, highest = float(ends.low), float(ends.high)
    return Pace(
        person,
        decisions=len(standing),
        timed=sum(row.at in worked for row in standing),
        undone=sum(row.undone and row.verdict not in _NO_DECISIONS for row in rows),
        active=sum(worked.values(), timedelta(0)),
        about_tags=len(about_tags),
        corrected=corrected,
        lowest_corrected=lowest,
        highest_corrected=highest,
    )
