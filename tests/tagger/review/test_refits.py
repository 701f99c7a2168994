"""What a refit accepts leaves the queue, stands as its tag, and comes back when the next one is not sure of it."""

import pytest

from tagger.review.store.records import Change, Filter, Search
from tagger.review.store.refits import Checked, RefitRecord, RefitTag
from tagger.review.store.review import ReviewStore
from tagger.schemas.tables.decision import Verdict
from tests.tagger.review.queue_rows import ITEMS, accepted

UNSURE = [n for n in range(1, ITEMS + 1) if n % 5]
"""Every fifth item is blurry, too, so no refit may accept it."""


def record(number: int = 1, tags: int = 1) -> RefitRecord:
    return RefitRecord(number, 50 * number, 30, 22, tags, None if tags else "not_precise_enough")


def tag(position: int, checked: bool = False) -> RefitTag:
    return RefitTag(position, "Apparel", 0.99, "Shirts", 0.97, checked)


def standing(store: ReviewStore) -> list[tuple[int, bool]]:
    return [(row["position"], row["checked"]) for part in store.refits.tags() for row in part]


def waiting(store: ReviewStore, session: str = "s") -> set[int]:
    return {item.position for item in store.claims.look(session, Filter(), ITEMS)}


def test_what_a_refit_accepts_is_asked_of_nobody_but_for_the_checked_ones(store: ReviewStore) -> None:
    assert store.refits.last() is None
    assert store.refits.save(record(), [tag(1), tag(2, checked=True), tag(3)])
    assert waiting(store) == set(range(1, ITEMS + 1)) - {1, 3}
    assert standing(store) == [(1, False), (2, True), (3, False)]
    assert store.refits.last() == record()
    assert store.counts.waiting(Filter()) == ITEMS - 2
    assert store.counts.classes(Filter())[0][2] + store.counts.classes(Filter())[1][2] == ITEMS - 2
    progress = store.counts.progress("Ann")
    assert (progress.items, progress.decided, progress.by_refit, progress.waiting) == (ITEMS, 0, 2, ITEMS - 2)
    assert store.finder.reasons(Filter())["low_confidence"] == ITEMS - 2
    left = store.finder.find(Search(Filter(order="catalogue"), "refit"), 9)
    assert [(item.position, item.article) for item in left] == [(1, "Shirts"), (3, "Shirts")]
    assert [item.article_confidence for item in left] == pytest.approx([0.97, 0.97]), "the refit's"
    assert store.finder.count(Search(Filter(), "refit")) == 2
    assert store.finder.count(Search(Filter(), "waiting")) == ITEMS - 2


def test_the_next_refit_takes_the_place_of_the_one_before(store: ReviewStore) -> None:
    store.refits.save(record(1, 2), [tag(1), tag(3)])
    assert store.refits.save(record(2, 2), [tag(3), tag(7)])
    assert standing(store) == [(3, False), (7, False)]
    assert waiting(store) >= {1, 2}
    assert not store.refits.save(record(2, 1), [tag(9)]), "another process was faster"
    assert standing(store) == [(3, False), (7, False)]
    store.refits.save(record(3, 0), [])
    assert standing(store) == []
    assert waiting(store) == set(range(1, ITEMS + 1))
    last = store.refits.last()
    assert last and (last.number, last.why_none) == (3, "not_precise_enough")


def test_a_persons_decision_stands_and_undo_gives_the_refits_tag_back(store: ReviewStore) -> None:
    store.refits.save(record(), [tag(1)])
    store.decide("ann", "Ann", [Change(1, Verdict.CORRECTED, "Accessories", "Watches")])
    assert standing(store) == []
    assert store.counts.progress("Ann").by_refit == 0
    store.refits.save(record(2), [tag(1), tag(3)])
    assert standing(store) == [(3, False)], "it was decided meanwhile"
    store.undo("ann", "Ann")
    store.release("ann")
    assert (1 in waiting(store), standing(store)) == (True, [(3, False)]), "the second refit left it alone"
    store.refits.save(record(3), [tag(1)])
    assert standing(store) == [(1, False)]


def test_an_item_that_somebody_has_open_stays_theirs(store: ReviewStore) -> None:
    (opened,) = store.claims.next("bob", Filter(order="catalogue"), who="Bob")
    assert opened.position == 1
    ahead = store.claims.ahead("bob", "Bob", Filter(order="catalogue"), [1], [], 1)
    assert [item.position for item in ahead.items] == [2]
    store.refits.save(record(), [tag(1), tag(2), tag(3)])
    assert standing(store) == [(2, False), (3, False)], "what is only fetched ahead nobody looks at yet"
    store.decide("bob", "Bob", [accepted(1), accepted(2)])
    assert standing(store) == [(3, False)]


def test_what_is_blurry_or_proposed_or_decided_is_no_refits(store: ReviewStore) -> None:
    assert {item.position for item in store.refits.unsure(ITEMS)} == set(UNSURE)
    store.proposals.propose("ann", "Ann", 2, ("Apparel", "Jumpsuits"))
    store.decide("ann", "Ann", [accepted(4)])
    assert (store.refits.answers(), len(UNSURE)) == (1, 32)
    store.decide("ann", "Ann", [accepted(5)])
    assert store.refits.answers() == 1, "the fifth is blurry"
    store.refits.save(record(), [tag(2), tag(4), tag(6)])
    assert standing(store) == [(6, False)]


def test_answers_are_drawn_as_long_as_none_before_them_is_missing(store: ReviewStore) -> None:
    order = [item.position for item in store.refits.unsure(ITEMS)]
    assert order != sorted(order)
    first, second, third, fourth = order[:4]
    store.decide("ann", "Ann", [accepted(second), Change(first, Verdict.MASTER_ONLY, "Apparel", None)])
    store.decide("ann", "Ann", [accepted(fourth)])
    store.proposals.propose("ann", "Ann", order[5], ("Apparel", "Jumpsuits"))
    items = {item.position: item for item in store.refits.unsure(ITEMS)}
    drawn = [item.position for item in items.values() if item.is_drawn]
    settled = {item.position for item in items.values() if item.is_settled}
    assert drawn == [first, second], "nobody has answered the third"
    assert settled == {first, second, fourth, order[5]}, "a class that is missing is an answer, too"
    assert (items[first].article, items[second].article, items[third].article) == (None, "Shirts", None)
    assert items[first].master is None, "the category alone is no class"
    assert [item.position for item in store.refits.unsure(3)] == order[:3]


def test_a_share_of_the_queue_is_drawn_and_accepted_items_are_drawn_as_well(store: ReviewStore) -> None:
    order = [item.position for item in store.refits.unsure(ITEMS)]
    store.refits.save(record(), [tag(order[0]), tag(order[1], checked=True)])
    store.claims.drawn_share = 1.0
    (shown,) = store.claims.next("ann", Filter())
    assert shown.position == order[0], "the refit's tag is checked by whoever is drawn"
    disputed = [item.position for item in store.claims.look("bob", Filter(order="uncertain"), 3)]
    assert disputed == [p for p in range(1, ITEMS + 1) if p not in order[:1]][:3], "an order or a filter is kept"
    store.claims.drawn_share = 0.0
    assert store.claims.look("bob", Filter(), 1)[0].position != order[0]
    store.claims.drawn_share = 0.5
    mixed = [store.claims.look(f"s{n}", Filter(), 1)[0].position for n in range(40)]
    assert 5 < sum(position == order[1] for position in mixed) < 35


def test_where_nothing_waits_nothing_is_drawn(store: ReviewStore) -> None:
    order = [item.position for item in store.refits.unsure(ITEMS)]
    store.refits.save(record(), [tag(order[0])])
    store.claims.drawn_share = 1.0
    rest = store.claims.next("ann", Filter(order="catalogue"), ITEMS)
    store.decide("ann", "Ann", [accepted(item.position) for item in rest])
    assert store.claims.next("ann", Filter()) == []


def test_answers_about_checked_items_say_how_precise_refits_are(store: ReviewStore) -> None:
    store.refits.save(record(), [tag(1, checked=True), tag(2, checked=True), tag(3), tag(4, checked=True)])
    store.decide("ann", "Ann", [accepted(1), Change(2, Verdict.ACCEPTED, "Accessories", "Watches")])
    store.decide("ann", "Ann", [accepted(3)])
    assert store.refits.checked() == Checked(answers=2, right=1)
    store.refits.save(record(2, 0), [])
    assert store.refits.checked() == Checked(answers=2, right=1), "what was said of decided items is kept"
