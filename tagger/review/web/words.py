"""Sentences about items, answers and errors, in the reader's language."""

from collections.abc import Iterator, Sequence

from tagger.review.store.leaves import Leaf
from tagger.review.store.log import REFUSED, UNSKIPPED
from tagger.review.store.records import Action, Answered, Conflict, Copies, Entry, QueuedItem
from tagger.review.web.texts import Texts
from tagger.schemas.tables.decision import Verdict
from tagger.schemas.tables.prediction import ReviewReason

_FIELDS = {
    "least": "error-number",
    "most": "error-number",
    "order": "error-order",
    "position": "error-no-item",
    "number": "error-no-image",
    "image": "try-choose",
    "name": "error-name",
    "say": "error-no-answer",
    "shown": "error-shown",
    "note": "error-note",
}
_KEYS = {UNSKIPPED: "action-shown-again", REFUSED: "action-refused"}


def named(master: str | None, article: str | None) -> str:
    """A class with both of its levels, or the master category alone."""
    return f"{article} ({master})" if article else master or ""


def status_text(t: Texts, status: int, detail: str) -> str:
    """The message for a status; the web framework's default texts are replaced."""
    key = f"error-{status}"
    return t(key) if detail in ("Not Found", "Method Not Allowed") and t.has(key) else detail


def field_text(t: Texts, location: Sequence[int | str], message: str) -> str:
    """The message for an invalid value, by its location in the request."""
    field = str(location[-1]) if location else ""
    return t(_FIELDS[field]) if field in _FIELDS else t("error-field", field=field, message=message)


def problem_text(t: Texts, code: str | None) -> str:
    """Why a run could not use an image, by its error code."""
    key = f"problem-{code}"
    return t(key if t.has(key) else "problem-other")


def entry_text(t: Texts, entry: Entry, is_audit: bool) -> str:
    """What an entry of an item's history says."""
    what = _done(t, Action(entry.verdict, entry.master, entry.article, 1, is_undo=False), is_audit)
    attributes = [f"{each['name']}: {each['value'] or t('none')}" for each in entry.attributes or ()]
    return "; ".join([what, *attributes, *([f"“{entry.note}”"] if entry.note else [])])


def answered_text(t: Texts, answered: Answered, is_audit: bool) -> str:
    """What a person answered about an item."""
    return _done(t, Action(answered.verdict, answered.master, answered.article, 1, is_undo=False), is_audit)


def action_text(t: Texts, actions: Sequence[Action], is_audit: bool) -> str:
    """A sentence on what a key press did or undid; empty where there was none."""
    text = ", ".join(_done(t, action, is_audit) for action in actions)
    return t("undone" if actions[0].is_undo else "saved", what=text) if text else ""


def _done(t: Texts, action: Action, is_audit: bool) -> str:
    is_kept = is_audit and action.verdict == Verdict.ACCEPTED
    key = "action-kept" if is_kept else _KEYS.get(action.verdict, f"action-{action.verdict}")
    return t(key, items=action.items, name=named(action.master, action.article)) if t.has(key) else action.verdict


def conflict_text(t: Texts, conflict: Conflict) -> str:
    """Why a key press was refused."""
    kind = f"{conflict.kind}-own" if conflict.is_own else conflict.kind
    return t(f"conflict-{kind}", who=conflict.who or t("somebody"))


def why(t: Texts, item: QueuedItem, copies: Copies, is_audit: bool) -> Iterator[str]:
    """Why an item needs a person, one reason after another."""
    if copies.in_conflict and ReviewReason.DUPLICATE_CONFLICT not in item.reasons:
        yield t("why-copies_disagree")
    for reason in item.reasons:
        key = f"why-{reason}"
        if is_audit and t.has(f"{key}-audit"):
            key = f"{key}-audit"
        values = {
            "percent": t.percent(item.article_confidence),
            "known": item.known_master or "",
            "master": item.master,
            "article": item.article,
        }
        yield t(key, **values) if t.has(key) else reason
    if item.refused:
        yield t("why-refused")


def leaf_note(t: Texts, leaf: Leaf) -> str:
    """A remark on a class: how many items have it, and whether it is rare; empty where nobody knows."""
    if leaf.is_rare:
        return t("rare-here", items=leaf.items or 0)
    return "" if leaf.items is None else t("items", items=leaf.items)
