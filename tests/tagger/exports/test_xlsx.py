"""Workbooks whose texts stay texts."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openpyxl

from tagger.exports.xlsx import write_xlsx


def test_texts_numbers_and_times_are_what_they_were_and_no_text_is_a_formula(tmp_path: Path) -> None:
    at = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    rows: list[dict[str, Any]] = [
        {"id": "007", "tag": '=HYPERLINK("http://x")', "sure": 0.25, "at": at},
        {"id": "8\x07", "tag": None, "sure": 1.0, "at": None},
    ]
    assert write_xlsx(tmp_path / "a.xlsx", "Tags", ["id", "tag", "sure", "at"], rows) == 2
    sheet = openpyxl.load_workbook(tmp_path / "a.xlsx")["Tags"]
    assert [[cell.value for cell in row] for row in sheet] == [
        ["id", "tag", "sure", "at"],
        ["007", '=HYPERLINK("http://x")', 0.25, at.replace(tzinfo=None)],
        ["8", None, 1, None],
    ]
    assert sheet["B2"].data_type == "s"
    assert sheet.freeze_panes == "A2"


def test_more_rows_than_a_sheet_takes_go_to_further_sheets_with_a_heading_each(tmp_path: Path) -> None:
    assert write_xlsx(tmp_path / "a.xlsx", "Tags", ["id"], [{"id": str(n)} for n in range(5)], most_rows=2) == 5
    book = openpyxl.load_workbook(tmp_path / "a.xlsx")
    assert {sheet.title: [row[0].value for row in sheet] for sheet in book} == {
        "Tags": ["id", "0", "1"], "Tags 2": ["id", "2", "3"], "Tags 3": ["id", "4"],
    }  # fmt: skip
