"""An item that somebody is not sure of is flagged with a note, and waits for a colleague."""

import pytest

from tagger.review.store.records import ConflictError, Filter, Search
from tagger.review.store.review import ReviewStore
from tests.tagger.review.queue_rows import accepted

ALL = Filter(order="catalogue")


def flagged(store: ReviewStore) -> list[int]:
    return [item.position for item in store.finder.find(Search(ALL, "flagged"), 9)]


def test_a_flagged_item_goes_to_others_with_its_note(store: ReviewStore) -> None:
    store.claims.next("ann", ALL)
    for _ in range(2):
        store.flag("ann", "Ann", 1, "two products?", stroke="a" * 16)
    assert flagged(store) == [1]
    assert [i.position for i in store.claims.next("ann", ALL)] == [2], "she has passed it on"
    (item,) = store.claims.next("bob", ALL)
    assert (item.position, item.flag) == (1, "two products?")
    (entry,) = store.history(1)
    assert (entry.verdict, entry.note, entry.decided_by) == ("flagged", "two products?", "Ann")
    assert store.counts.progress("Ann").decided == 0 and not store.has_decisions()
    store.decide("bob", "Bob", [accepted(1)])
    assert flagged(store) == []


def test_undo_takes_a_flag_back(store: ReviewStore) -> None:
    store.claims.next("ann", ALL)
    store.flag("ann", "Ann", 1, "which one?")
    assert store.undo("ann", "Ann") == [1]
    assert flagged(store) == []
    assert [i.position for i in store.claims.next("ann", ALL)] == [1]


def test_what_is_decided_or_open_elsewhere_is_not_flagged(store: ReviewStore) -> None:
    store.claims.next("bob", ALL)
    for position in (1, 999):
        with pytest.raises(ConflictError):
            store.flag("ann", "Ann", position, "?")
    store.decide("bob", "Bob", [accepted(1)])
    with pytest.raises(ConflictError):
        store.flag("ann", "Ann", 1, "?")
    assert len(store.history(1)) == 1
