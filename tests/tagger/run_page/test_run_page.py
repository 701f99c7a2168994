"""The page of a run: its counts are those of the run, and what it shows is drawn alike in whatever order rows come."""

import re
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from tagger.errors import ImageError
from tagger.evaluation.type_shares import type_shares
from tagger.images.failed import FailedImages
from tagger.run_page.outcome import SHOWN_OF_TYPE, OutcomeByType
from tagger.run_page.page import RunFacts, page_of
from tagger.schemas.documents.run import Counts, RunRecord
from tagger.schemas.tables.prediction import ErrorCode

ROWS: list[dict[str, Any]] = [
    *[{"id": f"s{n}", "articleType": "Shirts", "decision": "accept", "reviewReasons": []} for n in range(30)],
    *[{"id": f"w{n}", "articleType": "Watches", "decision": "accept", "reviewReasons": []} for n in range(2)],
    {"id": "<b>", "articleType": "Shirts", "decision": "review", "reviewReasons": ["low_confidence", "blurry_image"]},
    {"id": "m", "articleType": "Tops", "decision": "accept_master_only", "reviewReasons": ["low_confidence"]},
    {"id": "f", "articleType": None, "decision": "failed", "reviewReasons": []},
]


def outcome(rows: list[dict[str, Any]]) -> OutcomeByType:
    schema = pa.schema(
        [("id", pa.string()), ("articleType", pa.string()), ("decision", pa.string()),
         ("reviewReasons", pa.list_(pa.string()))]
    )  # fmt: skip
    return OutcomeByType.of(pa.Table.from_pylist(rows[n : n + 7], schema) for n in range(0, len(rows), 7))


def record(**more: object) -> RunRecord:
    counts = Counts(
        rows=40, rejects=1, skipped=5, skip_reasons={"known": 5}, predictions=34, reject_reasons={"no_id": 1},
        decisions={"accept": 32, "review": 1, "accept_master_only": 1, "failed": 1}, errors={"not_found": 1},
    )  # fmt: skip
    return RunRecord.model_validate(
        {
            "run_id": "r", "model_id": "m1", "state": "done", "config": {}, "fingerprint": "", "inputs": {},
            "versions": {}, "started_at": datetime(2026, 11, 2, 2, tzinfo=UTC), "counts": counts, "seconds": 61.0,
            **more,
        }
    )  # fmt: skip


def test_items_are_counted_by_type_and_by_reason() -> None:
    found = outcome(ROWS)
    assert dict(found.accepted) == {"Shirts": 30, "Watches": 2}
    assert dict(found.waiting) == {"Shirts": 1, "Tops": 1}
    assert dict(found.reasons) == {"low_confidence": 2, "blurry_image": 1}
    assert found.items.total() == 34


def test_what_is_shown_does_not_depend_on_the_order_of_the_rows() -> None:
    shown = dict(outcome(ROWS).shown())
    assert shown == dict(outcome(ROWS[::-1]).shown())
    assert {name: len(items) for name, items in shown.items()} == {"Shirts": SHOWN_OF_TYPE, "Watches": 2}


def test_the_types_whose_share_has_changed_most_come_first() -> None:
    before = outcome([{**row, "articleType": "Watches"} for row in ROWS if row["decision"] == "accept"])
    first, *_ = type_shares(outcome(ROWS).items, before.items)
    assert (first.name, first.items, first.before) == ("Watches", 2, 1.0)


def test_the_page_says_what_came_out_what_waits_what_failed_and_what_is_held() -> None:
    failed = FailedImages()
    failed.add("f", "f.jpg", ImageError(ErrorCode.NOT_FOUND, "no file f.jpg"))
    before = (record(run_id="b", model_id="m0"), outcome(ROWS[:20]))
    facts = RunFacts(
        "2026-11-02", record(target_precision={"articleType": 0.95}), outcome(ROWS), failed,
        held="3 points fewer types", before=before, pictures={"w0": "data:image/jpeg;base64,AAAA"},
        problems=["1 of 34 items failed, more than --max-failed 1%"], review="tagger review --run runs/a",
    )  # fmt: skip
    page = page_of(facts)
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))
    for said in (
        "Exports of this run are held: 3 points fewer types",
        "32 tagged, no person needed", "2 wait for a person", "1 without a usable picture", "1 row that cannot be read",
        "5 left alone", "40 rows in all", "5 known from earlier runs", "95% of the accepted article types are right",
        "2: the model is not sure enough", "tagger review --run runs/a", "by another model (m0)",
        "f: no file f.jpg", "more than --max-failed 1%", "Shirts 30 tagged, 1 wait",
    ):  # fmt: skip
        assert said in text, said
    assert 'src="data:image/jpeg;base64,AAAA"' in page
    assert "<script" not in page and "https://" not in page
    assert "<b>" not in re.sub(r"<li><b>[\d,]+</b>", "", page), "an id is no markup"
