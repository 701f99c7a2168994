"""The review's store, on both of its databases."""

import multiprocessing
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy import update

from tagger.errors import UsageError
from tagger.review.store.database import open_database
from tagger.review.store.records import Change, ConflictError, Filter
from tagger.review.store.review import ReviewStore
from tagger.review.store.tables import queue
from tagger.schemas.tables.decision import Verdict
from tests.tagger.review.queue_rows import ITEMS, LEAF_PAIRS, accepted, row


def test_the_least_certain_item_comes_first_and_carries_all_that_was_put_in(store: ReviewStore) -> None:
    (item,) = store.claims.next("s", Filter())
    untouched = dict.fromkeys(
        ("current", "flag", "proposal", "suggested_master", "suggested_article", "suggested_confidence")
    )
    assert {**row(1), **untouched, "refused": False} == vars(item)


def test_filters_and_orders(store: ReviewStore) -> None:
    def positions(wanted: Filter) -> list[int]:
        return [i.position for i in store.claims.next("s", wanted, ITEMS)]

    assert positions(Filter(reason="blurry_image")) == [5, 10, 15, 20, 25, 30, 35, 40]
    assert positions(Filter(article="Shirts", least=0.3)) == [31, 33, 35, 37, 39]
    assert positions(Filter(master="Accessories", most=0.07)) == [2, 4, 6]
    assert positions(Filter(least=0.38, order="certain")) == [40, 39, 38]
    assert store.counts.waiting(Filter(reason="blurry_image", article="Shirts")) == 4
    assert store.counts.classes(Filter()) == [("Accessories", "Watches", 20), ("Apparel", "Shirts", 20)]
    waiting = {
        name: store.counts.waiting(Filter(reason=name)) for name in ("low_confidence", "blurry_image", "qa_sample")
    }
    assert waiting == {"low_confidence": 40, "blurry_image": 8, "qa_sample": 0}


def test_two_people_never_have_the_same_item(store: ReviewStore) -> None:
    ann = store.claims.next("ann", Filter(), 5)
    bob = store.claims.next("bob", Filter(), 5)
    assert [i.position for i in ann] == [1, 2, 3, 4, 5]
    assert [i.position for i in bob] == [6, 7, 8, 9, 10]
    with pytest.raises(ConflictError, match="refused: open"):
        store.decide("bob", "Bob", [accepted(3)])
    assert [i.position for i in store.claims.next("ann", Filter(), 2)] == [1, 2], "what she has already comes first"
    assert store.decide("bob", "Bob", [accepted(3)]) == [3], "asking anew lets go of what she had"


def test_an_item_that_was_left_open_goes_to_the_next_one(store: ReviewStore) -> None:
    assert [i.position for i in store.claims.next("gone", Filter())] == [1]
    assert [i.position for i in store.claims.next("here", Filter())] == [2]
    with store._engine.begin() as connection:
        connection.execute(update(queue).where(queue.c.claimed_by == "gone").values(claimed_until=time.time() - 1))
    assert [i.position for i in store.claims.next("here", Filter())] == [1]


def test_a_decision_is_never_overwritten_by_who_has_not_seen_it(store: ReviewStore) -> None:
    store.decide("ann", "Ann", [accepted(7)])
    with pytest.raises(ConflictError, match="refused: decided"):
        store.decide("bob", "Bob", [Change(7, Verdict.UNUSABLE, None, None)])
    seen = store.items([7])[0].current
    assert store.decide("bob", "Bob", [Change(7, Verdict.UNUSABLE, None, None, seen)]) == [7]
    assert [(e.verdict, e.decided_by) for e in store.history(7)] == [("accepted", "Ann"), ("unusable", "Bob")]
    (standing,) = (found for part in store.standing() for found in part)
    assert (standing["verdict"], standing["decided_by"], standing["before_article"]) == ("unusable", "Bob", "Shirts")


def test_a_queue_is_filled_once_whoever_comes_second(store: ReviewStore) -> None:
    store.claims.next("ann", Filter(), 5)
    store.decide("ann", "Ann", [accepted(1)])
    assert store.fill((row(n) for n in range(1, 4)), LEAF_PAIRS) is None
    assert store.counts.progress("Ann").items == ITEMS
    assert store.claims.next("bob", Filter())[0].position == 6, "her claims hold"


def test_earlier_decisions_stand_in_a_new_database(fresh: ReviewStore) -> None:
    said: dict[str, object] = {
        "verdict": "corrected", "masterCategory": "Apparel", "articleType": "Tops", "decidedBy": "Ann"
    }  # fmt: skip
    when = datetime(2026, 1, 2, 3, tzinfo=UTC)
    said |= {"attributes": [{"name": "gender", "value": None}]}
    earlier = [{"id": "item/2", **said, "decidedAt": when}, {"id": "gone", **said, "decidedAt": when}]
    assert fresh.fill((row(n) for n in range(1, 4)), LEAF_PAIRS, earlier) == 3
    (standing,) = (found for part in fresh.standing() for found in part)
    assert (standing["id"], standing["article"], standing["decided_at"], standing["attributes"]) == (
        "item/2",
        "Tops",
        when.replace(tzinfo=None),
        [{"name": "gender", "value": None}],
    )
    assert fresh.counts.waiting(Filter()) == 2


def test_a_page_of_the_grid_is_one_stroke(store: ReviewStore) -> None:
    page = store.claims.next("ann", Filter(article="Shirts"), 6, in_grid=True)
    right = [accepted(i.position) for i in page[:4]]
    wrong = [i.position for i in page[4:]]
    assert store.decide("ann", "Ann", [], wrong, optional=right) == [1, 3, 5, 7]
    assert [i.position for i in store.claims.next("ann", Filter(article="Shirts"), 2, in_grid=True)] == [13, 15]
    assert [i.position for i in store.claims.next("ann", Filter(article="Shirts"), 2)] == [9, 11], (
        "the queue still shows them"
    )
    assert [n for _, article, n in store.counts.classes(Filter()) if article == "Shirts"] == [14]
    assert sorted(store.undo("ann", "Ann") or ()) == [1, 3, 5, 7, 9, 11]
    assert store.counts.waiting(Filter(article="Shirts")) == 20
    assert [i.position for i in store.claims.next("ann", Filter(article="Shirts"), 6, in_grid=True)] == [
        1,
        3,
        5,
        7,
        9,
        11,
    ]


def test_copies_are_told_and_those_of_somebody_else_are_left_out(fresh: ReviewStore) -> None:
    labels = {1: "Shirts", 2: "Shirts", 3: None, 4: "Tops", 5: "Tops"}
    rows = [
        row(n) | {"picture": "one" if n < 4 else "two", "master": "Apparel", "article": "Shirts"}
        | {"known_master": "Apparel" if label else None, "known_article": label}
        for n, label in labels.items()
    ]  # fmt: skip
    fresh.fill([*rows, row(6)], LEAF_PAIRS)
    first, alone = fresh.items([1, 6])
    copies = fresh.copies(first, 1)
    assert ([i.position for i, _ in copies.shown], copies.waiting, copies.in_conflict) == ([2], 2, False)
    assert not fresh.copies(alone, 9).shown and not fresh.waiting_copies(alone)
    fresh.claims.take("bob", 2)
    assert [i.position for i in fresh.claims.next("ann", Filter(), 9)] == [4, 5, 6], (
        "nobody else gets what has his picture"
    )
    fresh.claims.take("ann", 1)
    beside = [accepted(i.position) for i in fresh.waiting_copies(first)]
    assert fresh.decide("ann", "Ann", [accepted(1)], optional=beside) == [1, 3]
    assert fresh.copies(first, 9).waiting == 1
    assert fresh.undo("ann", "Ann") == [1, 3]
    with pytest.raises(ConflictError):
        fresh.decide("ann", "Ann", [accepted(2)], optional=[accepted(1)])
    assert fresh.copies(first, 9).waiting == 2, "a stroke that is spoilt leaves its copies alone, too"


def test_copies_are_shown_with_what_was_decided_and_without_those_marked_wrong(fresh: ReviewStore) -> None:
    fresh.fill([row(n) | {"picture": "one"} for n in (1, 3, 5, 7)], LEAF_PAIRS)
    first = fresh.items([1])[0]
    fresh.decide("bob", "Bob", [Change(5, Verdict.CORRECTED, "Apparel", "Tops")], refused=[3])
    copies = fresh.copies(first, 2)
    assert [(i.position, e and (e.article, e.decided_by)) for i, e in copies.shown] == [(5, ("Tops", "Bob")), (3, None)]
    assert (copies.waiting, copies.others, copies.in_conflict) == (1, 1, False)
    assert [i.position for i in fresh.waiting_copies(first)] == [7], "what is wrong is to be seen by itself"
    fresh.decide("ann", "Ann", [accepted(1)], optional=[accepted(7)])
    assert fresh.copies(first, 2).in_conflict, "one picture has two decisions"


@pytest.mark.parametrize(("column", "other"), [("known_article", "Tops"), ("article", "Tops"), ("known_article", None)])
def test_a_picture_with_two_labels_or_two_predictions_is_a_conflict(
    fresh: ReviewStore, column: str, other: str | None
) -> None:
    alike = {"picture": "one", "known_master": "Apparel", "known_article": "Shirts", "article": "Shirts"}
    fresh.fill([row(1) | alike, row(3) | alike | {column: other}], LEAF_PAIRS)
    assert fresh.copies(fresh.items([1])[0], 9).in_conflict is (other is not None)


def test_what_was_decided_meanwhile_is_left_out_of_a_page(store: ReviewStore) -> None:
    page = [i.position for i in store.claims.next("ann", Filter(), 4)]
    with store._engine.begin() as connection:  # her time is up
        connection.execute(update(queue).values(claimed_until=0.0))
    store.decide("bob", "Bob", [accepted(page[1])])
    assert store.decide("ann", "Ann", [], optional=[accepted(p) for p in page]) == [1, 3, 4]
    assert [e.decided_by for e in store.history(2)] == ["Bob"]


def test_claims_end_by_the_databases_clock_and_not_by_that_of_a_server(
    store: ReviewStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    if store._engine.dialect.name == "sqlite":
        pytest.skip("a file has the clock of its machine")
    assert store.claims.next("ann", Filter())[0].position == 1
    ahead = time.time() + 3600
    monkeypatch.setattr(time, "time", lambda: ahead)  # this server's clock is an hour ahead
    assert store.claims.next("bob", Filter())[0].position == 2, "hers holds"


def test_what_an_audit_suggests_stands_beside_the_label_and_makes_pairs(fresh: ReviewStore) -> None:
    fresh.fill((row(n) for n in range(1, 9)), LEAF_PAIRS)
    fresh.suggest([(f"item/{n}", "Accessories", "Watches", 0.9) for n in (1, 3, 5)] + [("gone", "A", "B", 1.0)])
    fresh.suggest([("item/2", "A", "B", 1.0)])  # another process, which comes too late
    assert fresh.counts.pairs(Filter()) == [("Apparel", "Shirts", "Accessories", "Watches", 3)]
    (item,) = fresh.items([3])
    assert (item.suggested_master, item.suggested_article, item.suggested_confidence) == ("Accessories", "Watches", 0.9)
    pair = Filter(master="Apparel", article="Shirts", to_master="Accessories", to_article="Watches")
    assert [i.position for i in fresh.claims.next("ann", pair, 9, in_grid=True)] == [1, 3, 5]


def test_several_runs_share_a_database(store: ReviewStore, database: str) -> None:
    other = ReviewStore(open_database(database, "--database"), f"{store.run_id}-other")
    other.fill([row(1)], [])
    other.decide("ann", "Ann", [accepted(1)])
    assert (store.counts.progress("Ann").decided, other.counts.progress("Ann").decided) == (0, 1)
    assert other.settings.set_once("secret", "a") == "a"
    assert other.settings.set_once("secret", "b") == "a"
    assert store.settings.get("secret") is None
    other.close()


def test_many_reviewers_at_once_decide_each_item_once(store: ReviewStore) -> None:
    def review(name: str) -> list[int]:
        mine = []
        while item := store.claims.next(name, Filter()):
            mine += store.decide(name, name, [accepted(item[0].position)])
        return mine

    with ThreadPoolExecutor(6) as pool:
        done = [p for part in pool.map(review, [f"r{i}" for i in range(6)]) for p in part]
    assert sorted(done) == list(range(1, ITEMS + 1))


def _decide_until_killed(database: str, run_id: str, pipe: "multiprocessing.connection.Connection") -> None:
    store = ReviewStore(open_database(database, "--database"), run_id)
    while item := store.claims.next("s", Filter()):
        store.decide("s", "S", [accepted(item[0].position)])
        pipe.send(item[0].position)


def test_what_was_confirmed_survives_a_kill(store: ReviewStore, database: str) -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    worker = context.Process(target=_decide_until_killed, args=(database, store.run_id, theirs))
    worker.start()
    confirmed = [ours.recv() for _ in range(12)]
    worker.kill()
    worker.join()
    while ours.poll():
        confirmed.append(ours.recv())
    standing = [found["id"] for part in store.standing() for found in part]
    assert standing[: len(confirmed)] == [f"item/{p}" for p in confirmed]
    assert len(standing) - len(confirmed) in (0, 1), "at most the one that was not told any more"


@pytest.mark.parametrize("address", ["mysql://x/y", "/proc/no/such.sqlite", "postgresql://nobody:secret@127.0.0.1:1/x"])
def test_a_database_that_cannot_be_opened_is_named_without_its_password(address: str) -> None:
    with pytest.raises(UsageError, match="--database") as caught:
        open_database(address, "--database")
    assert "secret" not in str(caught.value)
