"""Claims: pages fetch ahead and keep what is open, nobody starves, and an answer that comes twice is one answer."""

import time

import pytest
from sqlalchemy import update

from tagger.review.store.records import Conflict, ConflictError, Filter
from tagger.review.store.review import ReviewStore
from tagger.review.store.tables import queue
from tests.tagger.review.queue_rows import ITEMS, LEAF_PAIRS, accepted, row

ALL = Filter(order="catalogue")


def positions(store: ReviewStore, session: str, opened: list[int], have: list[int], count: int) -> list[int]:
    return [i.position for i in store.claims.ahead(session, session.title(), ALL, opened, have, count).items]


def run_out(store: ReviewStore, session: str) -> None:
    """Let the claims of a session end, as if it had said nothing for minutes."""
    with store._engine.begin() as connection:
        connection.execute(update(queue).where(queue.c.claimed_by == session).values(claimed_until=time.time() - 1))


def test_a_page_fetches_ahead_and_gets_nothing_that_others_hold(store: ReviewStore) -> None:
    assert [i.position for i in store.claims.next("ann", ALL, who="Ann")] == [1]
    assert positions(store, "ann", [1], [], 3) == [2, 3, 4]
    assert [i.position for i in store.claims.next("bob", ALL)] == [5]
    assert positions(store, "ann", [2, 1], [3, 4], 2) == [6, 7], "one is answered and on its way"
    store.decide("ann", "Ann", [accepted(1)])
    assert positions(store, "bob", [5], [], 9) == [8, 9, 10, 11, 12, 13, 14, 15, 16]


def test_a_page_keeps_its_claims_while_it_says_that_it_is_open(store: ReviewStore) -> None:
    store.claims.next("ann", ALL)
    positions(store, "ann", [1], [], 2)
    run_out(store, "ann")
    kept = store.claims.ahead("ann", "Ann", ALL, [1], [2, 3], 0)
    assert (kept.items, kept.lost) == ([], [])
    assert [i.position for i in store.claims.next("bob", ALL)] == [4]
    run_out(store, "ann")
    assert [i.position for i in store.claims.next("bob", ALL)] == [1]
    assert store.claims.ahead("ann", "Ann", ALL, [], [1, 2], 0).lost == [1], "it was silent for too long"


def test_a_page_that_closes_gives_back_what_it_had(store: ReviewStore) -> None:
    store.claims.next("ann", ALL)
    positions(store, "ann", [1], [], 5)
    store.claims.release("ann")
    assert [i.position for i in store.claims.next("bob", ALL, 3)] == [1, 2, 3]
    assert store.claims.ahead("ann", "Ann", ALL, [1], [2, 7], 0).lost == [1, 2], "what is free is taken again"


def test_what_is_only_fetched_ahead_goes_to_who_has_nothing(store: ReviewStore) -> None:
    store.claims.next("ann", ALL)
    positions(store, "ann", [1], [], ITEMS)
    taken = store.claims.next("bob", ALL, who="Bob")
    assert len(taken) == 1 and taken[0].position != 1, "what she looks at stays hers"
    (position,) = [item.position for item in taken]
    with pytest.raises(ConflictError) as refused:
        store.decide("ann", "Ann", [accepted(position)])
    assert refused.value.conflict == Conflict("open", who="Bob")
    assert store.claims.ahead("ann", "Ann", ALL, [1], [position], 0).lost == [position]
    assert store.claims.next("carl", ALL, who="Carl"), "a third one gets another"


def test_an_answer_on_its_way_keeps_its_item(fresh: ReviewStore) -> None:
    fresh.fill((row(n) for n in range(1, 4)), LEAF_PAIRS)
    fresh.claims.next("ann", ALL)
    positions(fresh, "ann", [1], [], 9)
    assert positions(fresh, "ann", [2, 1], [3], 0) == [], "she looks at the second, the first is not saved yet"
    assert [i.position for i in fresh.claims.next("bob", ALL)] == [3], "that alone is only fetched ahead"
    assert fresh.claims.next("carl", ALL) == []
    assert fresh.decide("ann", "Ann", [accepted(1)]) == [1]


def test_who_decided_or_has_it_open_is_named(store: ReviewStore) -> None:
    store.claims.next("ann", ALL, who="Ann")
    item, why = store.claims.take("bob", 1, "Bob") or (None, None)
    assert item is not None and why == Conflict("open", who="Ann")
    store.decide("ann", "Ann", [accepted(1)])
    for session, is_own in (("bob", False), ("ann", True)):
        with pytest.raises(ConflictError) as refused:
            store.decide(session, session.title(), [accepted(1)])
        conflict = refused.value.conflict
        assert (conflict.kind, conflict.who, conflict.is_own) == ("decided", "Ann", is_own)
    assert store.claims.take("ann", ITEMS + 1) is None
    with pytest.raises(ConflictError) as refused:
        store.decide("ann", "Ann", [accepted(ITEMS + 1)])
    assert refused.value.conflict == Conflict("unknown")


def test_an_answer_that_arrives_twice_is_saved_once(store: ReviewStore) -> None:
    store.claims.next("ann", ALL, 3)
    for _ in range(2):
        assert store.decide("ann", "Ann", [accepted(1)], [3], [accepted(2)], stroke="a" * 16) == [1, 2]
    assert [len(store.history(p)) for p in (1, 2, 3)] == [1, 1, 1]
    for _ in range(2):
        store.skip("ann", "Ann", [4], stroke="b" * 16)
    assert len(store.history(4)) == 1
    for _ in range(2):
        assert store.undo("ann", "Ann", stroke="c" * 16) == [4]
    for _ in range(2):
        assert sorted(store.undo("ann", "Ann", stroke="d" * 16) or []) == [1, 2, 3]
    assert store.undo("ann", "Ann") is None, "nothing was undone twice"
    with pytest.raises(ConflictError):
        store.decide("bob", "Bob", [accepted(1)], stroke="a" * 16)


def test_the_queue_begins_where_the_witnesses_disagree(fresh: ReviewStore) -> None:
    rows = [row(n) for n in range(1, 7)]  # 1, 3 and 5 are Shirts; their confidences rise
    for each in rows:
        each["evidence"] = None
    rows[4] |= {"known_article": "Watches", "known_master": "Accessories"}
    rows[2] |= {
        "known_article": "Watches",
        "evidence": [{"witness": "title", "articleType": "Watches", "confidence": 0.9}],
    }
    rows[1]["known_article"] = "Watches"  # as is predicted
    fresh.fill(rows, LEAF_PAIRS)
    assert [i.position for i in fresh.claims.next("s", Filter(), 6)] == [3, 5, 1, 2, 4, 6]


def test_nine_sessions_on_three_thousand_items_are_never_told_that_nothing_is_left(fresh: ReviewStore) -> None:
    items = 3000
    fresh.fill(({**row(n), "picture": None} for n in range(1, items + 1)), LEAF_PAIRS)
    people = [f"s{n}" for n in range(9)]
    held = {person: [i.position for i in fresh.claims.next(person, Filter(), 48, in_grid=True)] for person in people}
    assert all(held.values()) and len({p for page in held.values() for p in page}) == 9 * 48
    left = items
    while left > 9:  # all but the last are decided at once, so that the end comes soon
        step = max(1, (left - 40) // 9)
        for person in people:
            page = fresh.claims.next(person, Filter(), step)
            assert page, f"{left} wait"
            fresh.claims.ahead(person, person, Filter(), [page[0].position], [i.position for i in page[1:]], 5)
            fresh.decide(person, person, [accepted(item.position) for item in page])
            left -= len(page)
