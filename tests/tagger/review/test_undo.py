"""Undo and skips in the review's store, on both of its databases."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from sqlalchemy import select

from tagger.review.store.records import Action, Change, ConflictError, Filter, SetAttributes
from tagger.review.store.review import ReviewStore
from tagger.review.store.tables import decisions
from tagger.schemas.tables.decision import Verdict
from tests.tagger.review.queue_rows import ITEMS, accepted


def test_undo_is_a_new_entry_and_gives_the_item_back(store: ReviewStore) -> None:
    store.decide("ann", "Ann", [accepted(1)])
    store.decide("ann", "Ann", [accepted(2)])
    assert store.undo("ann", "Ann") == [2]
    assert [e.verdict for e in store.history(2)] == ["accepted", "undone"]
    assert store.claims.next("bob", Filter())[0].position == 3, "what was undone is hers again"
    assert store.undo("ann", "Ann") == [1]
    assert store.undo("ann", "Ann") is None
    assert store.counts.progress("Ann").decided == 0


def test_undo_of_a_second_decision_brings_back_the_first(store: ReviewStore) -> None:
    store.decide("ann", "Ann", [accepted(1)])
    first = store.items([1])[0].current
    store.decide("bob", "Bob", [Change(1, Verdict.MASTER_ONLY, "Apparel", None, first)])
    assert store.undo("bob", "Bob") == [1]
    assert store.items([1])[0].current == first


def test_a_decision_keeps_the_further_tags_that_were_set_and_undo_brings_them_back(store: ReviewStore) -> None:
    gender: SetAttributes = [{"name": "gender", "value": "Women"}]
    store.decide("ann", "Ann", [replace(accepted(1), attributes=gender)])
    assert [e.attributes for e in store.history(1)] == [gender]
    store.decide("bob", "Bob", [accepted(1, store.items([1])[0].current)])
    assert _standing_attributes(store) == [None], "the newest decision counts whole"
    store.undo("bob", "Bob")
    assert _standing_attributes(store) == [gender]
    store.undo("ann", "Ann")
    assert _standing_attributes(store) == []


def _standing_attributes(store: ReviewStore) -> list[object]:
    return [row["attributes"] for part in store.standing() for row in part]


def test_undo_leaves_alone_what_somebody_else_has_decided_since(store: ReviewStore) -> None:
    store.decide("ann", "Ann", [accepted(1)])
    store.decide("bob", "Bob", [Change(1, Verdict.UNUSABLE, None, None, store.items([1])[0].current)])
    assert store.undo("ann", "Ann") == []
    (standing,) = (found for part in store.standing() for found in part)
    assert standing["decided_by"] == "Bob"


def test_a_decision_that_was_taken_back_does_not_come_back_when_the_one_over_it_is(store: ReviewStore) -> None:
    store.decide("ann", "Ann", [accepted(1)])
    first = store.items([1])[0].current
    store.decide("bob", "Bob", [Change(1, Verdict.UNUSABLE, None, None, first)])
    assert store.undo("ann", "Ann") == []
    assert store.undo("bob", "Bob") == [1]
    assert store.items([1])[0].current is None
    assert store.counts.waiting(Filter()) == ITEMS


def test_undo_neither_takes_an_item_from_somebody_nor_clears_anothers_mark(store: ReviewStore) -> None:
    store.decide("ann", "Ann", [], refused=[1, 2])
    assert store.claims.take("bob", 1)
    store.undo("ann", "Ann")
    assert store.decide("bob", "Bob", [accepted(1)]) == [1], "he has it still"
    store.decide("ann", "Ann", [], refused=[3])
    store.decide("bob", "Bob", [accepted(3)])
    store.undo("bob", "Bob")
    assert store.items([3])[0].refused, "her mark stands"


def test_undo_and_decisions_at_the_same_time_lose_nothing(store: ReviewStore) -> None:
    """Whatever the order, an item stands as the last entry about it that was not taken back says."""

    def work(name: str) -> None:
        for turn in range(30):
            (item,) = store.items([1 + turn % 3])
            try:
                store.decide(name, name, [accepted(item.position, item.current)])
            except ConflictError:
                continue
            if turn % 2:
                store.undo(name, name)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, ["a", "b", "c", "d"]))
    for item in store.items([1, 2, 3]):
        standing = [e.seq for e in store.history(item.position) if e.verdict != "undone"]
        with store._engine.begin() as connection:
            undone = set(connection.scalars(select(decisions.c.undoes).where(decisions.c.undoes.is_not(None))))
        left = [seq for seq in standing if seq not in undone]
        assert item.current == (left[-1] if left else None)


def test_skipped_items_wait_for_others_and_come_back_on_request(store: ReviewStore) -> None:
    store.skip("ann", "Ann", [1, 2])
    store.skip("ann", "Ann", [2, 3, 999])
    assert store.claims.next("ann", Filter())[0].position == 4
    assert store.claims.next("bob", Filter())[0].position == 1
    assert store.counts.skipped("ann") == 3
    store.forget_skips("ann", "Ann")
    assert store.claims.next("ann", Filter())[0].position == 2


def test_undo_takes_back_the_last_key_press_and_nothing_before_it_when_that_was_a_skip(store: ReviewStore) -> None:
    store.decide("ann", "Ann", [accepted(1)])
    store.skip("ann", "Ann", [2])
    assert store.undo("ann", "Ann") == [2], "the skip"
    assert store.counts.skipped("ann") == 0
    assert store.items([1])[0].current is not None, "the decision before it stands"
    assert [e.verdict for e in store.history(2)] == ["skipped", "undone"]
    assert store.claims.next("bob", Filter())[0].position == 3, "it is open before her again"
    assert store.undo("ann", "Ann") == [1]
    assert store.undo("ann", "Ann") is None


def test_showing_again_what_was_skipped_is_a_key_press_too(store: ReviewStore) -> None:
    store.skip("ann", "Ann", [1, 2])
    store.forget_skips("ann", "Ann")
    assert store.undo("ann", "Ann") == []
    assert store.counts.skipped("ann") == 2
    assert sorted(store.undo("ann", "Ann") or ()) == [1, 2]
    assert store.counts.skipped("ann") == 0


def test_a_skip_is_neither_a_decision_nor_a_part_of_ones_speed(store: ReviewStore) -> None:
    store.skip("ann", "Ann", [1])
    assert not store.has_decisions()
    store.decide("bob", "Bob", [accepted(1)])
    assert store.undo("ann", "Ann") == [], "he has decided it since, and that stands"
    assert store.items([1])[0].current is not None


def test_the_last_key_press_is_told_in_counts_and_so_is_what_took_it_back(store: ReviewStore) -> None:
    assert store.last_action("ann") == []
    store.decide("ann", "Ann", [], [5, 7], optional=[accepted(1), accepted(3), accepted(9)])
    assert store.last_action("ann") == [
        Action("accepted", "Apparel", "Shirts", 3, False),
        Action("refused", None, None, 2, False),
    ]
    store.undo("ann", "Ann")
    assert store.last_action("ann") == [
        Action("accepted", "Apparel", "Shirts", 3, True),
        Action("refused", None, None, 2, True),
    ]
    assert store.last_action("bob") == []
