"""What a button says of an item: the one that is shown, its copies, or all that a grid showed."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from fastapi import HTTPException

from tagger.review.store.leaves import Leaf, Leaves
from tagger.review.store.records import Change, QueuedItem
from tagger.schemas.tables.decision import Verdict

ACCEPT, KEEP, SKIP = "accept", "keep", "skip"
_MASTER, _UNUSABLE, _LEAF = "master", "unusable", "leaf"


def suggestion_of(item: QueuedItem, leaves: Leaves) -> Leaf | None:
    """What an audit suggests in place of an item's label; None where it suggests nothing that can be chosen."""
    return leaves.find(item.suggested_master, item.suggested_article)


def change_of(item: QueuedItem, say: str, leaves: Leaves, expected: int | None = None) -> Change:
    """What a button says of an item.

    Args:
        item: The item.
        say: The button: `leaf:NUMBER`, `keep` (an audit's label), `master` or `unusable`.
        leaves: What the numbers mean.
        expected: The decision that stood when the person looked.

    Raises:
        HTTPException: when the button is none that the page has.
    """
    if say == _MASTER:
        return Change(item.position, Verdict.MASTER_ONLY, item.master, None, expected)
    if say == _UNUSABLE:
        return Change(item.position, Verdict.UNUSABLE, None, None, expected)
    if say == KEEP:
        return Change(item.position, Verdict.ACCEPTED, item.master, item.article, expected)
    kind, _, number = say.partition(":")
    known = kind == _LEAF and number.isdecimal() and len(number) < 8 and int(number) < len(leaves)
    if not known:
        raise HTTPException(422, "Choose a class first." if not say else f"This page has no answer {say[:40]!r}.")
    leaf = leaves[int(number)]
    same = (leaf.master, leaf.article) == (item.master, item.article)
    verdict = Verdict.ACCEPTED if same else Verdict.CORRECTED
    return Change(item.position, verdict, leaf.master, leaf.article, expected)


def change_of_copy(change: Change, other: QueuedItem) -> Change:
    """What was said of an item, of another that waits with the same picture."""
    verdict = change.verdict
    if verdict in (Verdict.ACCEPTED, Verdict.CORRECTED):
        same = (change.master, change.article) == (other.master, other.article)
        verdict = Verdict.ACCEPTED if same else Verdict.CORRECTED
    return replace(change, position=other.position, verdict=verdict, expected=None)


def changes_of_grid(
    items: Sequence[QueuedItem], say: str, marked: Collection[int], leaves: Leaves, is_audit: bool
) -> list[Change]:
    """What a button of the grid says: accepting, of all that are not marked; anything else, of those that are.

    In an audit, accepting takes what is suggested, and `keep` keeps the label.

    Raises:
        HTTPException: when the button is none that the page has.
    """
    if say != ACCEPT:
        return [change_of(item, say, leaves) for item in items if item.position in marked]
    unmarked = [item for item in items if item.position not in marked]
    if not is_audit:
        return [Change(item.position, Verdict.ACCEPTED, item.master, item.article) for item in unmarked]
    suggested = [(item, suggestion_of(item, leaves)) for item in unmarked]
    return [Change(i.position, Verdict.CORRECTED, leaf.master, leaf.article) for i, leaf in suggested if leaf]
