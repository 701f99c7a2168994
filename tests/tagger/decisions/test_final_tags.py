"""Final tags: a person's over the model's, and cells that no spreadsheet runs."""

import csv
import io
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.decisions.final_tags import final_tags, newest_by_id, refit_tags
from tagger.decisions.read import named_decisions
from tagger.exports.csv import csv_bytes, harmless
from tagger.io.location import Location
from tagger.manifest.no_value import NoValue
from tagger.schemas.tables.decision import DECISION
from tagger.schemas.tables.final_tag import FINAL_TAG
from tagger.schemas.tables.prediction import PREDICTION
from tagger.schemas.tables.refit_tag import REFIT_TAG

NOW = datetime(2026, 1, 2, tzinfo=UTC)
KINDS = ["accept", "accept_master_only", "review", "failed"]


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
        "attributes": None,
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
    rows = [predicted(kind, kind) for kind in KINDS] + [predicted(f"p{n}", "review") for n in range(4)]
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


def test_a_refits_tag_stands_until_a_person_decides_and_for_its_own_run_alone() -> None:
    rows = [predicted(item, "review") for item in ("sure", "decided", "unsure")]
    rows.append(predicted("newer", "review") | {"runId": "a later run"})
    tag = {"masterCategory": "Footwear", "articleType": "Heels"}
    confidences = {"masterCategoryConfidence": 0.99, "articleTypeConfidence": 0.97}
    said = [
        {"id": item, "runId": "r", "refit": 2, "checked": False, "madeAt": NOW, **tag, **confidences}
        for item in ("sure", "decided", "newer", "gone")
    ]
    refit = refit_tags([pa.Table.from_pylist(said, schema=REFIT_TAG)])
    standing = newest_by_id(
        [pa.Table.from_pylist([decided("decided", "accepted", "Apparel", "Shirts")], schema=DECISION)]
    )
    (tags,) = final_tags([pa.Table.from_pylist(rows, schema=PREDICTION)], standing, refit)
    found = {row["id"]: row for row in tags.to_pylist()}
    assert {item: row["source"] for item, row in found.items()} == {
        "sure": "refit", "decided": "person", "unsure": None, "newer": None,
    }  # fmt: skip
    sure = found["sure"]
    assert (sure["masterCategory"], sure["articleType"], sure["state"]) == ("Footwear", "Heels", "complete")
    assert sure["articleTypeConfidence"] == pytest.approx(0.97)
    assert (found["newer"]["state"], sure["decidedBy"]) == ("waiting", None)


def test_an_accepted_item_that_nobody_looked_at_keeps_the_models_tags() -> None:
    (table,) = final_tags([pa.Table.from_pylist([predicted("1", "accept")], schema=PREDICTION)], {})
    (row,) = table.to_pylist()
    assert (row["state"], row["source"], row["articleType"], row["articleTypeConfidence"]) == (
        "complete", "model", "Shirts", 0.5
    )  # fmt: skip


GENDER, COLOUR = ("gender", "Men", 0.97, "accept"), ("colour", "Blue", 0.4, "review")
MODEL_GENDER = [{"name": "gender", "value": "Men", "source": "model", "confidence": 0.97}]


def attributes_of(
    predictions: list[dict[str, object]], said: list[dict[str, object]], no_value: NoValue | None = None
) -> dict[str, list[dict[str, object]]]:
    """The further tags of each item; confidences with two digits."""
    standing = newest_by_id([pa.Table.from_pylist(said, schema=DECISION)])
    table = pa.Table.from_pylist(predictions, schema=PREDICTION)
    (tags,) = final_tags([table], standing, no_value=no_value or NoValue())
    return {
        row["id"]: [{**a, "confidence": a["confidence"] and round(a["confidence"], 2)} for a in row["attributes"]]
        for row in tags.to_pylist()
    }


def with_attributes(row: dict[str, object], *attributes: tuple[str, str, float, str]) -> dict[str, object]:
    names = ("name", "value", "confidence", "decision")
    return row | {"attributes": [dict(zip(names, each, strict=True)) for each in attributes]}


def set_to(name: str, value: str | None) -> dict[str, str | None]:
    return {"name": name, "value": value}


def test_the_models_further_tags_are_set_where_it_is_sure_of_them_whatever_it_says_of_the_class() -> None:
    rows = [with_attributes(predicted(kind, kind), GENDER, COLOUR) for kind in KINDS]
    rows.append(predicted("of a bundle without them", "accept"))
    assert attributes_of(rows, []) == {
        **dict.fromkeys(KINDS[:3], MODEL_GENDER), "failed": [], "of a bundle without them": []
    }  # fmt: skip


def test_a_persons_further_tags_win_and_those_that_they_left_stay_the_models() -> None:
    rows = [with_attributes(predicted(f"{n}", "review"), GENDER, COLOUR) for n in range(5)]
    women, none, blue = set_to("gender", "Women"), set_to("gender", None), set_to("colour", "Blue")
    summer = set_to("season", "Summer")
    accepted = ("accepted", "Apparel", "Shirts")
    said = [
        decided("0", *accepted),
        decided("1", *accepted) | {"attributes": [women, blue, summer]},
        decided("2", "master_only", "Apparel", None) | {"attributes": [none]},
        decided("3", "unusable", None, None),
        decided("4", *accepted, day=3) | {"attributes": [women, blue]},
        decided("4", *accepted, day=4) | {"attributes": [summer]},
    ]
    of_person = {"source": "person", "confidence": None}
    assert attributes_of(rows, said) == {
        "0": MODEL_GENDER, "1": [each | of_person for each in (women, blue, summer)], "2": [], "3": [],
        "4": [*MODEL_GENDER, summer | of_person],
    }, "the newest decision counts whole"  # fmt: skip


def test_a_further_tag_that_says_none_is_no_tag() -> None:
    rows = [with_attributes(predicted("1", "accept"), ("season", "NA", 1.0, "accept"), ("use", "k.A.", 1.0, "accept"))]
    said = [decided("2", "accepted", "Apparel", "Shirts") | {"attributes": [set_to("gender", "k.A.")]}]
    rows.append(with_attributes(predicted("2", "review"), GENDER))
    assert attributes_of(rows, said, NoValue(["k.A."])) == {"1": [], "2": []}


def test_decisions_from_before_further_tags_leave_them_to_the_model(tmp_path: Path) -> None:
    old = pa.Table.from_pylist([decided("1", "accepted", "Apparel", "Shirts")], schema=DECISION)
    pq.write_table(old.drop_columns("attributes"), tmp_path / "old.parquet")
    said = [row for table in named_decisions(Location(str(tmp_path)), "--decisions") for row in table.to_pylist()]
    assert attributes_of([with_attributes(predicted("1", "review"), GENDER)], said) == {"1": MODEL_GENDER}


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
