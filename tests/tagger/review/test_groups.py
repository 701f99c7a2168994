"""Groups of items that show one picture: one person at a time is asked, and an answer takes items apart."""

import pytest
from sqlalchemy import update

from tagger.review.store.groups import GroupConflictError
from tagger.review.store.records import Conflict, GroupCounts
from tagger.review.store.review import ReviewStore
from tagger.review.store.tables import groups
from tests.tagger.review.queue_rows import LEAF_PAIRS, accepted, row

PICTURES = {1: "group 7", 2: "group 7", 3: "group 7", 4: "group 2", 5: "group 2", 6: "group 7"}
"""Item 6 has the first group's picture by its file, and is not named in the group."""


def group_row(found_as: int, ids: list[str], conflict: bool = False) -> dict[str, object]:
    item = {"sameness": "near", "distance": 0.02, "title": None, "master": None, "article": None, "image_ref": None}
    items = [{**item, "id": item_id} for item_id in ids]
    return {"found_as": found_as, "picture": f"group {found_as}", "conflict": conflict, "items": items}


@pytest.fixture
def review(fresh: ReviewStore) -> ReviewStore:
    rows = ({**row(n), "picture": PICTURES.get(n)} for n in range(1, 9))
    three = group_row(7, ["item/1", "item/2", "item/3"], conflict=True)
    others = [group_row(2, ["item/4", "item/5"]), group_row(9, ["elsewhere", "gone"])]
    fresh.fill(rows, LEAF_PAIRS, duplicates="copies", groups=[three, *others])
    return fresh


def asked(review: ReviewStore, session: str) -> int | None:
    group = review.groups.next(session, session.title())
    return group.number if group else None


def together(review: ReviewStore, position: int) -> list[int]:
    """The items that would be decided with one."""
    return [other.position for other in review.waiting_copies(review.items([position])[0])]


def refused(review: ReviewStore, session: str, number: int, same: bool) -> Conflict:
    with pytest.raises(GroupConflictError) as error:
        review.groups.answer(session, session.title(), number, same)
    return error.value.conflict


def test_two_people_are_never_asked_about_one_group(review: ReviewStore) -> None:
    assert (asked(review, "ann"), asked(review, "bob"), asked(review, "carl")) == (1, 2, 3)
    assert asked(review, "dora") is None
    assert asked(review, "ann") == 1, "she still has it"
    assert refused(review, "bob", 1, same=True) == Conflict("open", who="Ann")
    with pytest.raises(GroupConflictError):
        review.groups.skip("bob", 1)
    review.release("ann")
    assert asked(review, "dora") == 1, "who signs out gives it back"


def test_a_claim_ends_after_its_time(review: ReviewStore) -> None:
    assert asked(review, "ann") == 1
    with review._engine.begin() as connection:
        connection.execute(update(groups).where(groups.c.claimed_by == "ann").values(claimed_until=1.0))
    assert asked(review, "bob") == 1
    assert refused(review, "ann", 1, same=True) == Conflict("open", who="Bob")


def test_the_second_answer_is_refused_with_who_was_first(review: ReviewStore) -> None:
    for _ in range(2):
        review.groups.answer("ann", "Ann", 1, same=True)
    assert refused(review, "bob", 1, same=True) == Conflict("decided", who="Ann")
    assert refused(review, "ann", 1, same=False) == Conflict("decided", who="Ann", is_own=True)
    assert refused(review, "ann", 99, same=True) == Conflict("unknown")
    assert review.groups.counts() == GroupCounts(groups=3, answered=1, conflicts_left=0)


def test_yes_leaves_the_items_together_and_no_takes_all_of_them_apart(review: ReviewStore) -> None:
    review.groups.answer("ann", "Ann", 1, same=True)
    assert together(review, 1) == [2, 3, 6]
    review.groups.answer("ann", "Ann", 2, same=False)
    assert (together(review, 4), together(review, 5)) == ([], [])
    assert review.groups.undo("ann", "Ann") == 2
    assert together(review, 4) == [5]
    assert review.groups.undo("ann", "Ann") == 1
    assert review.groups.undo("ann", "Ann") is None


def test_a_marked_item_is_decided_alone_and_so_is_one_that_nobody_was_shown(review: ReviewStore) -> None:
    review.groups.answer("ann", "Ann", 1, same=True, apart=["item/2"])
    assert [together(review, n) for n in (1, 2, 3, 6)] == [[3], [], [1], []]
    (said,) = review.groups.answered()
    assert (said.found_as, said.same, said.apart, said.decided_by) == (7, True, ["item/2"], "Ann")
    review.groups.undo("ann", "Ann")
    assert together(review, 2) == [1, 3, 6]
    assert list(review.groups.answered()) == []


def test_a_decision_about_copies_that_were_taken_apart_reaches_none_of_them(review: ReviewStore) -> None:
    review.groups.answer("ann", "Ann", 2, same=False)
    review.decide("bob", "Bob", [accepted(4)])
    assert [item.current for item in review.items([4, 5])][1] is None
    assert review.copies(review.items([4])[0], 6).others == 0


def test_a_skipped_group_comes_again_at_the_end(review: ReviewStore) -> None:
    assert asked(review, "ann") == 1
    review.groups.skip("ann", 1)
    assert asked(review, "ann") == 2
    review.groups.answer("ann", "Ann", 2, same=True)
    review.groups.answer("ann", "Ann", 3, same=True)
    assert asked(review, "ann") == 1
    for number in (3, 2):
        assert review.groups.undo("ann", "Ann") == number
        assert asked(review, "ann") == number, "what was undone is asked about again"
    assert review.groups.undo("ann", "Ann") == 1
    assert asked(review, "bob") == 2, "Ann has the first one open again"


def test_an_undo_leaves_what_others_answered(review: ReviewStore) -> None:
    review.groups.skip("ann", 1)
    review.groups.answer("bob", "Bob", 1, same=True)
    assert review.groups.undo("ann", "Ann") is None
    review.groups.answer("ann", "Ann", 2, same=True)
    assert review.groups.undo("bob", "Bob") == 1
    assert [said.number for said in review.groups.answered()] == [2]


def test_ids_are_found_in_the_queue(review: ReviewStore) -> None:
    assert review.groups.positions(["item/2", "gone"]) == {"item/2": 2}
    assert review.groups.get(99) is None
