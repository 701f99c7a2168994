"""While people answer, refits are made, saved, and let items leave; what goes wrong is said, and the page goes on."""

import json
import re
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from tagger.errors import TaggerError
from tagger.io.location import Location
from tagger.review.learning.from_review import labelled_items, request_of
from tagger.review.store.records import Change, Filter
from tagger.review.store.review import ReviewStore
from tagger.review.web import refitting
from tagger.review.web.refitting import DRAWN_SHARE, Refitting
from tagger.schemas.tables.decision import Verdict
from tagger.similarity.index import VectorIndex
from tests.conftest import Outcome
from tests.indexes import made_index
from tests.review_server import ReviewServer
from tests.tagger.review.alike_queue import AlikeQueue, alike_queue
from tests.tagger.review.learning.drawn import PAIRS
from tests.tagger.review.vector_run import truth, write_vector_run
from tests.written_runs import write_run

Run = Callable[..., Outcome]
LONG_S = 120.0


@pytest.fixture
def queue(fresh: ReviewStore, tmp_path: Path) -> AlikeQueue:
    return alike_queue(fresh, tmp_path)


def answer(queue: AlikeQueue, count: int) -> list[int]:
    """Answer the first of the random order as is right, those that wait; return the positions of all of them."""
    drawn = queue.store.refits.unsure(count)
    queue.store.decide("ann", "Ann", [queue.right(item.position) for item in drawn if not item.is_settled])
    return [item.position for item in drawn]


def test_a_request_has_answers_waiting_items_and_labelled_ones_in_their_places(queue: AlikeQueue) -> None:
    first, second, third = answer(queue, 3)
    queue.store.decide("ann", "Ann", [Change(first, Verdict.UNUSABLE, None, None, expected=current(queue, first))])
    items = queue.store.refits.unsure(150)
    request = request_of(items, queue.index, 0.9, 300)
    assert request is not None
    assert (len(request.labelled.leaves), len(request.answered.leaves), len(request.waiting.ids)) == (300, 3, 147)
    leaves = request.answered.leaves.tolist()
    assert leaves[0] == -1, "no class is right"
    assert [tuple(request.taxonomy.leaves[leaf].model_dump().values()) for leaf in leaves[1:]] == [
        queue.truth[second],
        queue.truth[third],
    ]
    assert request.answered.drawn.all()
    assert request.waiting.ids == tuple(item.id for item in items if not item.is_settled)
    (place,) = queue.index.positions([request.waiting.ids[5]])
    assert request.waiting.vectors[5] == pytest.approx(queue.index.vectors(queue.index.positions([items[8].id]))[0])
    assert place >= 0
    assert request.waiting.probabilities[0] == pytest.approx(0.25)


def current(queue: AlikeQueue, position: int) -> int | None:
    return queue.store.items([position])[0].current


def test_items_of_the_queue_are_no_labelled_ones(queue: AlikeQueue) -> None:
    ids = queue.store.ids()
    assert len(labelled_items(queue.index, ids, 10_000).pairs) == 400
    assert len(labelled_items(queue.index, {"w1", "w2"}, 10_000).pairs) == 598
    assert len(labelled_items(queue.index, ids, 100).pairs) == 100
    assert set(labelled_items(queue.index, ids, 100).pairs) == set(PAIRS)


@pytest.mark.slow
def test_after_fifty_answers_what_is_sure_leaves_and_is_right(queue: AlikeQueue) -> None:
    store = queue.store
    refits = Refitting(store, queue.index, 0.9)
    answer(queue, 49)
    assert refits.refit_if_due() is None, "one is missing"
    answered = set(answer(queue, 50))
    record = refits.refit_if_due()
    assert record is not None
    assert (record.number, record.answers, record.drawn, record.needed, record.why_none) == (1, 50, 50, 44, None)
    tags = [row for part in store.refits.tags() for row in part]
    assert len(tags) == record.accepted > 100
    assert not answered & {tag["position"] for tag in tags}
    assert sum((tag["master"], tag["article"]) == queue.truth[tag["position"]] for tag in tags) > 0.95 * len(tags)
    checked = sum(tag["checked"] for tag in tags)
    assert 0 < checked < 0.3 * len(tags)
    assert store.counts.waiting(Filter()) == 150 - record.accepted + checked
    assert refits.refit_if_due() is None, "nobody has answered since"


@pytest.mark.slow
def test_behind_the_page_it_works_by_itself_and_ends_with_it(
    queue: AlikeQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refitting, "_LOOK_S", 0.05)
    with Refitting(queue.store, queue.index, 0.9) as refits:
        assert queue.store.claims.drawn_share == DRAWN_SHARE
        answer(queue, 60)
        end = time.monotonic() + LONG_S
        while queue.store.refits.last() is None and time.monotonic() < end:
            time.sleep(0.05)
    last = queue.store.refits.last()
    assert last is not None and last.accepted > 0
    assert not refits._thread.is_alive()


@pytest.mark.slow
def test_leaving_ends_a_refit_that_is_under_way_and_saves_nothing(
    queue: AlikeQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refitting, "_LOOK_S", 0.05)
    answer(queue, 60)
    began = time.monotonic()
    with Refitting(queue.store, queue.index, 0.9):
        time.sleep(0.3)
    assert time.monotonic() - began < 60
    assert queue.store.refits.last() is None


def test_what_goes_wrong_is_said_and_kept_and_tried_again_later(
    queue: AlikeQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        def __init__(self, request: object) -> None:
            raise TaggerError("out of memory")

    monkeypatch.setattr(refitting, "RefitProcess", Broken)
    refits = Refitting(queue.store, queue.index, 0.9)
    answer(queue, 50)
    with pytest.raises(TaggerError, match="out of memory"):
        refits.refit_if_due()
    last = queue.store.refits.last()
    assert last is not None and (last.why_none, last.accepted) == ("failed", 0)
    assert refits.refit_if_due() is None, "not before 50 more"


def test_an_index_without_the_queues_items_teaches_nothing(queue: AlikeQueue, tmp_path: Path) -> None:
    others = pd.DataFrame([{"id": "other", "imageUri": "x", "imageDigest": "x", "masterCategory": "Apparel"}])
    made_index(tmp_path / "others", others.assign(articleType="Shirts"), np.ones((1, 4)))
    answer(queue, 50)
    refits = Refitting(queue.store, VectorIndex(Location(str(tmp_path / "others"))), 0.9)
    record = refits.refit_if_due()
    assert record is not None and record.why_none == "not_in_index"


@pytest.mark.slow
def test_the_command_refits_says_so_and_its_tags_are_applied(tmp_path: Path, tagger: Run) -> None:
    run, index = write_vector_run(tmp_path, items=240)
    with ReviewServer(run, "--index", str(index), "--refit", "0.9") as server:
        client = server.client()
        assert "Half of the questions are drawn at random" in client.open("/")
        for _ in range(60):
            page = client.open("/queue?order=random")  # so that each answer is about a drawn item
            item = re.search(r">Item (\d+)</a>", page)
            assert item
            client.decide(f"leaf:{PAIRS.index(truth(item[1]))}")
        end = time.monotonic() + LONG_S
        while "have left the queue" not in client.open("/") and time.monotonic() < end:
            time.sleep(0.5)
        assert "the model has learnt enough to be sure of them" in client.page
        left = client.open("/items?state=refit")
        assert "Nothing" not in left
        summary = client.open("/summary")
        assert "accepted by what you taught the model" in summary
        downloaded = pq.read_table(BytesIO(client.http.get("/downloads/tags.parquet").content)).to_pylist()
        said = server.stop()
    assert "more were accepted by refits to these decisions" in said
    outcome = tagger("apply", run, "--out", tmp_path / "tags", "--json")
    assert outcome.code == 0, outcome.err
    by_refit = [row for row in downloaded if row["source"] == "refit"]
    assert json.loads(outcome.out)["states"]["complete by refit"] == len(by_refit) > 30
    right = [(row["masterCategory"], row["articleType"]) == truth(row["id"]) for row in by_refit]
    assert sum(right) > 0.95 * len(right)


def test_what_a_refit_needs_is_said_before_anything_is_read(tmp_path: Path, tagger: Run) -> None:
    run, index = write_vector_run(tmp_path, items=4)
    without = tagger("review", "--run", run, "--refit", 0.9)
    assert without.code == 2 and "--refit: it learns from the vectors of an index" in without.err
    audit = write_run(tmp_path / "audit", [(PAIRS[0], {})] * 3, {}, "audit", [PAIRS[1]] * 3)
    refused = tagger("review", "--run", audit, "--index", index, "--refit", 0.9)
    assert refused.code == 2 and "--refit: an audit asks about labels" in refused.err
    assert tagger("review", "--run", run, "--index", index, "--refit", 1.5).code == 2
