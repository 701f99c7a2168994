"""Turns a button of the page into decisions: about the item that is shown, its copies, or the items of a grid."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from tagger.review.store.leaves import Leaf, Leaves
from tagger.review.store.records import Change, QueuedItem, SetAttributes
from tagger.review.web.refusal import RefusalError
from tagger.schemas.tables.decision import Verdict

ACCEPT, KEEP, SKIP = "accept", "keep", "skip"
_MASTER, _UNUSABLE, _LEAF = "master", "unusable", "leaf"


def leaf_answer(leaf: Leaf | None) -> str | None:
    """The answer that takes a class; None without one."""
    return f"{_LEAF}:{leaf.number}" if leaf else None


def leaf_of(answer: str, leaves: Leaves) -> Leaf:
    """The class of an answer `leaf:NUMBER`. Raises RefusalError when there is none."""
    kind, _, number = answer.partition(":")
    is_known = kind == _LEAF and number.isdecimal() and len(number) < 8 and int(number) < len(leaves)
    if not is_known:
        raise RefusalError(422, "error-unknown-answer" if answer else "error-choose-class", answer=answer[:40])
    return leaves[int(number)]


def suggestion_of(item: QueuedItem, leaves: Leaves) -> Leaf | None:
    """The class that an audit suggests for an item; None where it suggests none that can be chosen."""
    return leaves.find(item.suggested_master, item.suggested_article)


def change_of(
    item: QueuedItem,
    answer: str,
    leaves: Leaves,
    expected: int | None = None,
    attributes: SetAttributes | None = None,
    is_audit: bool = False,
) -> Change:
    """The decision about one item.

    Args:
        item: The item.
        answer: The button: `leaf:NUMBER`, `keep` (the catalogue's label), `master` or `unusable`.
        leaves: What the numbers mean.
        expected: The decision when the item was shown.
        attributes: The further tags that the person set; an item that cannot be used gets none.
        is_audit: Whether the item's tag is the catalogue's label.

    Raises:
        RefusalError: when the page has no such button.
    """
    if answer == _MASTER:
        return Change(item.position, Verdict.MASTER_ONLY, item.master, None, expected, attributes)
    if answer == _UNUSABLE:
        return Change(item.position, Verdict.UNUSABLE, None, None, expected)
    if answer == KEEP and is_audit:
        return Change(item.position, Verdict.ACCEPTED, item.master, item.article, expected, attributes)
    if answer == KEEP:
        leaf = leaves.find(item.known_master, item.known_article)
        if leaf is None:
            raise RefusalError(422, "error-no-label")
        return _to_leaf(item, leaf, expected, attributes)
    return _to_leaf(item, leaf_of(answer, leaves), expected, attributes)


def _to_leaf(item: QueuedItem, leaf: Leaf, expected: int | None, attributes: SetAttributes | None) -> Change:
    same = (leaf.master, leaf.article) == (item.master, item.article)
    verdict = Verdict.ACCEPTED if same else Verdict.CORRECTED
    return Change(item.position, verdict, leaf.master, leaf.article, expected, attributes)


def change_of_copy(change: Change, other: QueuedItem) -> Change:
    """An item's decision, applied to another item with the same picture: the class alone, and no further tags."""
    verdict = change.verdict
    if verdict in (Verdict.ACCEPTED, Verdict.CORRECTED):
        same = (change.master, change.article) == (other.master, other.article)
        verdict = Verdict.ACCEPTED if same else Verdict.CORRECTED
    return replace(change, position=other.position, verdict=verdict, expected=None, attributes=None)


def changes_of_grid(
    items: Sequence[QueuedItem], answer: str, marked: Collection[int], leaves: Leaves, is_audit: bool
) -> list[Change]:
    """The decisions of a grid: accepting applies to all unmarked items, any other button to the marked ones.

    In an audit, accepting takes the suggestion, and `keep` keeps the label. Further tags are not set in the grid.

    Raises:
        RefusalError: when the page has no such button.
    """
    if answer != ACCEPT:
        return [change_of(item, answer, leaves, is_audit=is_audit) for item in items if item.position in marked]
    unmarked = [item for item in items if item.position not in marked]
    if not is_audit:
        return [Change(item.position, Verdict.ACCEPTED, item.master, item.article) for item in unmarked]
    suggested = [(item, suggestion_of(item, leaves)) for item in unmarked]
    return [Change(i.position, Verdict.CORRECTED, leaf.master, leaf.article) for i, leaf in suggested if leaf]
