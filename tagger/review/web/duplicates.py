"""What the page shows of a group of items that may show one picture, and what its buttons mean."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from tagger.review.store.records import Conflict, Group, GroupItem
from tagger.review.store.review import ReviewStore
from tagger.review.web.refusal import RefusalError
from tagger.review.web.sessions import Session
from tagger.review.web.texts import Texts

YES, NO, SKIP, APART, UNDONE, NOTHING = "yes", "no", "skip", "apart", "undone", "nothing"
"""What was done last, as the parameter `done`; the first three are buttons, too."""
_DONE = {
    YES: "duplicates-saved-yes", NO: "duplicates-saved-no", APART: "duplicates-saved-apart",
    SKIP: "duplicates-skipped", UNDONE: "duplicates-undone", NOTHING: "nothing-to-undo",
}  # fmt: skip
_LEAST_TOGETHER = 2


@dataclass(frozen=True)
class GroupCard:
    """An item of a group, as its card shows it."""

    number: int
    """From 1, in its group."""
    item: GroupItem
    position: int | None
    """In the queue; None where it is not in this review."""
    image: str | None
    """Address of its image, to which a width can be added; None where the manifest names none."""
    why: str
    """Why it is thought to show the group's picture."""


def duplicates_view(store: ReviewStore, t: Texts, session: Session) -> dict[str, Any]:
    """Claim the next group for a session that may answer; values for its page.

    Raises:
        RefusalError: when the review has no groups.
    """
    if not store.groups.counts().groups:
        raise RefusalError(404, "duplicates-none")
    group = store.groups.next(session.key, session.who) if session.decides else None
    return {"counts": store.groups.counts()} | (group_view(store, t, group) if group else {})


def group_view(store: ReviewStore, t: Texts, group: Group) -> dict[str, Any]:
    """Values for the template of one group.

    Args:
        store: The review.
        t: Texts in the reader's language.
        group: The group.
    """
    positions = store.groups.positions([item.id for item in group.items])
    cards = [_card(store.run_id, t, group, number, positions) for number in range(1, len(group.items) + 1)]
    return {"group": group, "cards": cards, "can_mark": len(cards) > _LEAST_TOGETHER}


def _card(run_id: str, t: Texts, group: Group, number: int, positions: Mapping[str, int]) -> GroupCard:
    item = group.items[number - 1]
    position = positions.get(item.id)
    path = f"/images/{position}" if position else f"/duplicates/{group.number}/images/{number}"
    image = f"{path}?{urlencode({'run': run_id})}" if position or item.image_ref else None
    why = t(f"duplicates-{item.sameness}")
    if item.distance is not None:
        distance = t("duplicates-distance", distance=t.percent(item.distance))
        why = f"{why} {distance}"
    return GroupCard(number, item, position, image, why)


def image_ref(group: Group | None, number: int) -> str | None:
    """Where the image of an item of a group is, by its number from 1, as the run's manifest says.

    Raises:
        RefusalError: when there is no such group or item, or the manifest names no image of it.
    """
    items = group.items if group else ()
    if not 1 <= number <= len(items) or items[number - 1].image_ref is None:
        raise RefusalError(404, "error-no-image")
    return items[number - 1].image_ref


def answer_of(group: Group, say: str, marked: Sequence[int]) -> tuple[bool, list[str]]:
    """What a button says of a group: whether its items show one picture, and the ids of those that do not belong.

    Args:
        group: The group.
        say: The button, YES or NO; NO is about all items, whichever are marked.
        marked: Numbers of the marked items, from 1.

    Raises:
        RefusalError: when the page has no such button or item, or fewer than two items are left.
    """
    if say not in (YES, NO):
        raise RefusalError(422, "error-unknown-answer" if say else "error-no-answer", answer=say[:40])
    if any(not 1 <= number <= len(group.items) for number in marked):
        raise RefusalError(422, "error-no-item")
    if say == NO:
        return False, []
    apart = [item.id for number, item in enumerate(group.items, 1) if number in marked]
    if len(group.items) - len(apart) < _LEAST_TOGETHER:
        raise RefusalError(422, "duplicates-too-few")
    return True, apart


def done_text(t: Texts, done: str) -> str:
    """The sentence about the last key press, by the parameter `done`; empty without one."""
    return t(_DONE[done]) if done in _DONE else ""


def conflict_text(t: Texts, conflict: Conflict) -> str:
    """Why an answer was refused."""
    if conflict.kind == "unknown":
        return t("duplicates-unknown")
    if conflict.is_own:
        return t("duplicates-decided-own")
    who = conflict.who or t("somebody")
    return t("duplicates-open" if conflict.kind == "open" else "duplicates-decided", who=who)
