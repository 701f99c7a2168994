"""What the first and the last page of a review say."""

from typing import Any

from tagger.review.store.records import Filter
from tagger.review.team.pace import paces, per_person_hour
from tagger.review.web.item_view import Review
from tagger.review.web.texts import Texts

_NEWEST = 5000
"""Entries of the log by which the first page reckons the team's pace: the latest, few enough to be quick."""
_CORRECTIONS = 12


def start_view(review: Review, t: Texts, who: str) -> dict[str, Any]:
    """Values for the template of the first page.

    Args:
        review: The review.
        t: Texts in the reader's language.
        who: Who reads it.
    """
    store = review.store
    waiting = store.counts.waiting(Filter())
    per_hour = per_person_hour(paces(store.summary.log(_NEWEST)))
    reasons = {reason: items for reason, items in store.finder.reasons(Filter()).items() if items}
    return {
        "record": review.record,
        "waiting": waiting,
        "second": store.second_answers.waiting(who),
        "groups": store.groups.counts(),
        "waiting_by_reason": dict(sorted(reasons.items(), key=lambda each: -each[1])),
        "per_hour": per_hour,
        "takes": _duration(t, waiting / per_hour) if per_hour else "",
        "refit": _refit_text(review, t),
    }


def summary_view(review: Review, t: Texts) -> dict[str, Any]:
    """Values for the template of the last page."""
    summary = review.store.summary
    return {
        "verdicts": summary.verdicts(),
        "classes": summary.classes(),
        "corrections": summary.corrections(_CORRECTIONS),
        "team": [pace for pace in paces(summary.log()) if pace.decisions],
        "proposals": len(review.store.proposals.open()),
        "can_download": review.downloads is not None,
        "groups": review.store.groups.counts(),
        "refit": _refit_text(review, t),
    }


def _refit_text(review: Review, t: Texts) -> str:
    """What the last refit came to; empty where the review has none, and makes none."""
    last, target = review.store.refits.last(), review.refit_target
    if last is None:
        return t("refit-first", target=t.whole_percent(target)) if target is not None else ""
    if last.why_none:
        wanted = t.whole_percent(target) if target is not None else t("refit-any-target")
        return t(f"refit-{last.why_none}", answers=last.answers, drawn=last.drawn, needed=last.needed, target=wanted)
    said = t("refit-accepted", answers=last.answers, items=last.accepted)
    checked = review.store.refits.checked()
    how_right = t("refit-checked", answers=checked.answers, right=checked.right) if checked.answers else ""
    return f"{said} {how_right}".strip()


def _duration(t: Texts, hours: float) -> str:
    """A time in words: in steps of five minutes, from an hour and a half on in hours."""
    if hours < 1.5:
        return t("minutes", minutes=max(5, 5 * round(hours * 60 / 5)))
    return t("hours", hours=round(hours))
