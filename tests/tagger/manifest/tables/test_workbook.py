import datetime as dt
from pathlib import Path

import openpyxl
import pytest

from tagger.errors import InputError, UsageError
from tests.builders import manifest_of, read_all


def saved(path: Path, sheets: dict[str, list[list[object]]], hidden: str = "") -> Path:
    book = openpyxl.Workbook()
    book.remove(book["Sheet"])
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
        if name == hidden:
            sheet.sheet_state = "hidden"
    book.save(path)
    return path


def test_cells_are_read_as_a_person_reads_them(tmp_path: Path) -> None:
    rows: list[list[object]] = [
        ["id", " name ", "day", "at", "price", "new", "code"],
        [15970, "x", dt.date(2026, 11, 27), dt.datetime(2026, 11, 27, 8, 30), 9.5, True, "007"],
        [15971.0, "#N/A", None, None, 3, False, None],
        ["00123", None, None, None, None, None, None],
    ]
    items, rejects = read_all(manifest_of(saved(tmp_path / "m.xlsx", {"S": rows})))
    assert rejects == []
    assert [i["id"] for i in items] == ["15970", "15971", "00123"]
    assert items[0] == {
        "id": "15970", "name": "x", "day": "2026-11-27", "at": "2026-11-27T08:30:00", "price": "9.5", "new": "true",
        "code": "007",
    }  # fmt: skip
    assert items[1]["name"] is None
    assert items[1]["price"] == "3"


def test_numbers_that_are_shown_with_leading_zeros_have_them(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["id"])  # type: ignore[union-attr]
    book.active.append([123])  # type: ignore[union-attr]
    book.active["A2"].number_format = "00000"  # type: ignore[index]
    book.save(tmp_path / "m.xlsx")
    assert [i["id"] for i in read_all(manifest_of(tmp_path / "m.xlsx"))[0]] == ["00123"]


def test_blank_rows_are_no_rows_and_rejects_have_the_sheets_row_numbers(tmp_path: Path) -> None:
    rows: list[list[object]] = [[], ["id", "t"], [], [1, "a"], [None, "b"], [], [1, "c"], [None, None], [" ", None]]
    items, rejects = read_all(manifest_of(saved(tmp_path / "m.xlsx", {"S": rows})))
    assert [i["id"] for i in items] == ["1"]
    assert [(r["line"], r["reason"]) for r in rejects] == [(5, "blank_id"), (7, "duplicate_id")]


def test_of_several_sheets_the_one_with_ids_is_read_and_that_is_said(tmp_path: Path) -> None:
    sheets: dict[str, list[list[object]]] = {
        "Notes": [["Autumn"]], "Items": [["id"], [1]], "More": [["id"], [2]], "Old": [["id"], [3]], "Blank": [],
    }  # fmt: skip
    file = saved(tmp_path / "m.xlsx", sheets, hidden="Old")
    manifest = manifest_of(file)
    assert [i["id"] for i in read_all(manifest)[0]] == ["1"]
    (notice,) = manifest.notices.texts
    assert "'Items' is read, and 'Notes', 'More' are not" in notice
    assert "--sheet" in notice
    for name, item in (("More", "2"), ("Old", "3")):
        named = manifest_of(file, sheet=name)
        assert [i["id"] for i in read_all(named)[0]] == [item]
        assert named.notices.texts == []
    with pytest.raises(UsageError, match=r"--sheet Blank: .* Notes, Items, More"):
        manifest_of(file, sheet="Blank")


def test_what_stands_beside_the_headings_is_left_out_and_said(tmp_path: Path) -> None:
    file = saved(tmp_path / "m.xlsx", {"S": [["id", "t"], [1, "a", None, "ask Anna"], [2, "b"]]})
    manifest = manifest_of(file)
    assert read_all(manifest)[0] == [{"id": "1", "t": "a"}, {"id": "2", "t": "b"}]
    assert "row 2: cells right of the last heading" in manifest.notices.texts[0]


def test_a_formula_gives_the_value_that_was_saved_or_none(tmp_path: Path) -> None:
    file = saved(tmp_path / "m.xlsx", {"S": [["id", "t"], [1, "=A2+1"]]})  # nothing has computed it
    assert read_all(manifest_of(file))[0] == [{"id": "1", "t": None}]


def test_a_blank_workbook_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="blank"):
        manifest_of(saved(tmp_path / "m.xlsx", {"S": []}))
