"""What goes to the PIM: nothing but rows to set, ids to the letter, no empty cell."""

import csv
import io
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.decisions.final_tags import final_tags
from tagger.exports.pim import PIM_FILES, formula_like, pim_csv, rows_by_attribute
from tagger.exports.tag_files import TagFiles
from tagger.io.location import Location
from tagger.manifest.no_value import NoValue
from tagger.schemas.tables.final_tag import FINAL_TAG
from tests.tagger.decisions.test_final_tags import predicted

COMPLETE, MASTER_ONLY = PIM_FILES


def tags(*rows: tuple[str, str, str | None, str | None]) -> pa.Table:
    names = ("id", "state", "masterCategory", "articleType")
    return pa.Table.from_pylist(
        [dict(zip(names, row, strict=True)) | {"attributes": [], "modelId": "m", "runId": "r"} for row in rows],
        schema=FINAL_TAG,
    )


def attributed(*rows: tuple[str, dict[str, str]]) -> pa.Table:
    """Tags of items that wait, with further ones."""
    return pa.Table.from_pylist(
        [
            {
                "id": item, "state": "waiting", "modelId": "m", "runId": "r",
                "attributes": [{"name": n, "value": v, "source": "model", "confidence": 1.0} for n, v in more.items()],
            }
            for item, more in rows
        ],
        schema=FINAL_TAG,
    )  # fmt: skip


def test_only_rows_to_set_leave_and_the_master_category_alone_in_a_file_of_its_own() -> None:
    table = tags(
        ("1", "complete", "Apparel", "Shirts"),
        ("2", "master_only", "Apparel", None),
        ("3", "waiting", None, None),
        ("4", "failed", None, None),
        ("5", "unusable", None, None),
    )
    assert pim_csv(COMPLETE.rows(table), {}) == b"id,masterCategory,articleType\n1,Apparel,Shirts\n"
    assert pim_csv(MASTER_ONLY.rows(table), {}) == b"id,masterCategory\n2,Apparel\n"


def test_columns_are_called_as_the_pim_has_them() -> None:
    named = pim_csv(COMPLETE.rows(tags(("1", "complete", "A", "B"))), {"id": "sku", "articleType": "product_type"})
    assert named == b"sku,masterCategory,product_type\n1,A,B\n"


def test_each_further_tag_has_rows_of_its_own_for_the_items_that_have_it() -> None:
    table = pa.concat_tables(
        [attributed(("1", {"gender": "Men", "use": "=1"}), ("2", {})), attributed(("3", {"gender": "Women"}))]
    )
    rows = rows_by_attribute(table)
    assert {name: pim_csv(each, {"id": "sku"}) for name, each in rows.items()} == {
        "gender": b"sku,gender\n1,Men\n3,Women\n", "use": b"sku,use\n1,=1\n"
    }  # fmt: skip
    assert [formula_like(each) for each in rows.values()] == [0, 1]
    assert rows_by_attribute(table.slice(1, 1)) == rows_by_attribute(FINAL_TAG.empty_table()) == {}


def test_names_of_files_are_safe_and_no_further_tag_takes_anothers(tmp_path: Path) -> None:
    odd = ["gender", "Gender", "../up/shoe size", "shoe:size", "shoe size", "Größe", "x" * 300]
    files = TagFiles(Location(str(tmp_path)), ["csv"], {})
    files.write([attributed(("1", {name: f"of {name}" for name in odd}))] * 2)
    names = [file.name for file in tmp_path.iterdir()]
    assert len({name.casefold() for name in names}) == len(names) == len(odd) + 1, "and the file of classes"
    assert {"attribute-gender-00000.csv", "attribute-shoe_size-00000.csv", "attribute-Größe-00000.csv"} <= set(names)
    assert files.written == dict.fromkeys(names, 2) | {"tags-00000.csv": 0}
    found = {}
    for file in tmp_path.glob("attribute-*"):
        header, first, _ = csv.reader(io.StringIO(file.read_text()))
        found[header[1]] = first
    assert found == {name: ["1", f"of {name}"] for name in odd}


@pytest.mark.parametrize("item", ["00012", "-5", "-A7", "+49", "=1+1", "@x", "A/B", '"q"', "ü, ß", "\tx", "a;b", " b"])
def test_an_id_leaves_as_it_came(item: str) -> None:
    data = pim_csv(COMPLETE.rows(tags((item, "complete", "A", "B"))), {})
    assert list(csv.reader(io.StringIO(data.decode())))[1] == [item, "A", "B"]
    assert not data.startswith(b"\xef\xbb\xbf")
    assert b"\r" not in data


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20))
def test_any_id_and_class_come_back_from_the_csv(text: str) -> None:
    data = pim_csv(COMPLETE.rows(tags((text, "complete", text, "B"))), {})
    assert list(csv.reader(io.StringIO(data.decode(), newline="")))[1] == [text, text, "B"]


def test_cells_that_a_spreadsheet_would_run_are_counted() -> None:
    assert formula_like(COMPLETE.rows(tags(("=1+1", "complete", "A", "@B"), ("-5", "complete", "A", "B")))) == 2


def test_a_class_that_is_called_none_is_no_tag() -> None:
    rows = [predicted("1", "accept"), predicted("2", "accept"), predicted("3", "accept_master_only")]
    rows[0]["articleType"] = "N/A"
    rows[1]["masterCategory"] = rows[2]["masterCategory"] = "k.A."
    table = pa.Table.from_pylist(rows)
    (found,) = final_tags([table], {}, no_value=NoValue(["k.A."]))
    assert [(r["state"], r["source"], r["masterCategory"], r["articleType"]) for r in found.to_pylist()] == [
        ("master_only", "model", "Apparel", None), ("waiting", None, None, None), ("waiting", None, None, None)
    ]  # fmt: skip
    assert found["articleTypeConfidence"].null_count == 3
