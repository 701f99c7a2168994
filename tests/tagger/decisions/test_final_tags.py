"""Final tags: a person's over the model's, and cells that no spreadsheet runs."""

import csv
import io
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.decisions.final_tags import final_tags, newest_by_id
from tagger.exports.csv import csv_bytes, harmless
from tagger.schemas.tables.decision import DECISION
from tagger.schemas.tables.final_tag import FINAL_TAG
from tagger.schemas.tables.prediction import PREDICTION

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def predicted(item: str, decision: str) -> dict[str, object]:
    failed = decision == "failed"
    return {
        "id": item,
        "masterCategory": None if failed else "Apparel",
        "masterCategoryConfidence": None if failed else 0.75,
        "articleType": None if failed else "Shirts",
        "articleTypeConfidence": None if failed else 0.5,
        "decision": decision,
        "reviewReasons": [],
        "modelId": "m",
        "runId": "r",
        "taggedAt": NOW,
    }


def decided(item: str, verdict: str, master: str | None, article: str | None, day: int = 3) -> dict[str, object]:
    return {
        "id": item,
        "verdict": verdict,
        "masterCategory": master,
        "articleType": article,
        "decidedBy": "Ann",
        "decidedAt": datetime(2026, 1, day, tzinfo=UTC),
    }


def test_every_decision_of_model_and_person_ends_as_one_state() -> None:
    kinds = ["accept", "accept_master_only", "review", "failed"]
    rows = [predicted(kind, kind) for kind in kinds] + [predicted(f"p{n}", "review") for n in range(4)]
    said = [
        decided("p0", "accepted", "Apparel", "Shirts"),
        decided("p1", "corrected", "Footwear", "Heels"),
        decided("p2", "master_only", "Apparel", None),
        decided("p3", "unusable", None, None),
        decided("accept", "corrected", "Apparel", "Tops", day=2),
        decided("accept", "corrected", "Apparel", "Kurtas", day=4),
        decided("not in the run", "accepted", "Apparel", "Shirts"),
    ]
    standing = newest_by_id([pa.Table.from_pylist(said, schema=DECISION)])
    (table,) = final_tags([pa.Table.from_pylist(rows, schema=PREDICTION)], standing)
    assert table.schema == FINAL_TAG
    found = {r["id"]: (r["state"], r["source"], r["masterCategory"], r["articleType"]) for r in table.to_pylist()}
    assert found == {
        "accept": ("complete", "person", "Apparel", "Kurtas"),
        "accept_master_only": ("master_only", "model", "Apparel", None),
        "review": ("waiting", None, None, None),
        "failed": ("failed", None, None, None),
        "p0": ("complete", "person", "Apparel", "Shirts"),
        "p1": ("complete", "person", "Footwear", "Heels"),
        "p2": ("master_only", "person", "Apparel", None),
        "p3": ("unusable", None, None, None),
    }
    by_id = {r["id"]: r for r in table.to_pylist()}
    assert by_id["accept_master_only"]["masterCategoryConfidence"] == 0.75
    assert by_id["accept_master_only"]["articleTypeConfidence"] is None
    assert by_id["p1"]["masterCategoryConfidence"] is None
    assert (by_id["p1"]["decidedBy"], by_id["accept_master_only"]["decidedBy"]) == ("Ann", None)


def test_an_accepted_item_that_nobody_looked_at_keeps_the_models_tags() -> None:
    (table,) = final_tags([pa.Table.from_pylist([predicted("1", "accept")], schema=PREDICTION)], {})
    (row,) = table.to_pylist()
    assert (row["state"], row["source"], row["articleType"], row["articleTypeConfidence"]) == (
        "complete", "model", "Shirts", 0.5
    )  # fmt: skip


@pytest.mark.parametrize("text", ["=1+2", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "-", "--5"])
def test_a_cell_that_begins_as_a_formula_is_kept_from_being_one(text: str) -> None:
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize("text", ["-5", "+49", "-3.5", "-1,000", "1=1", "a-b", "", "Men's"])
def test_other_cells_stay_as_they_are(text: str) -> None:
    assert harmless(text) == text


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=20))
def test_any_text_comes_back_from_the_csv_as_it_went_in_but_for_the_apostrophe(text: str) -> None:
    table = pa.table({"id": ["1"], "masterCategory": [text]})
    header, row = csv.reader(io.StringIO(csv_bytes(table).decode("utf-8-sig")))
    assert header == ["id", "masterCategory"]
    assert row == ["1", harmless(text)]
