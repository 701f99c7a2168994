"""The precision of thresholds on judged pairs, computed by hand; and files of judged pairs, read and refused."""

from pathlib import Path

import pandas as pd
import pytest

from tagger.deduplication.judged import precision_at, read_judged, threshold_for
from tagger.errors import InputError, TaggerError, UsageError
from tagger.io.location import Location


def judged(*pairs: tuple[float, bool]) -> pd.DataFrame:
    return pd.DataFrame(pairs, columns=["structure", "same"])


TEN = judged(
    (0.98, True), (0.96, True), (0.93, True), (0.91, True), (0.88, False),
    (0.85, True), (0.82, True), (0.75, False), (0.7, True), (0.65, False),
)  # fmt: skip
"""From the top on: 1, 1, 1, 1, 4/5, 5/6, 6/7, 6/8, 7/9, 7/10."""


def test_the_precision_of_a_threshold_is_that_of_the_judged_pairs_which_reach_it() -> None:
    measured = precision_at(TEN, 0.82)
    assert (measured.answered, measured.right) == (7, 6)
    assert measured.share == pytest.approx(6 / 7)
    assert [measured.lowest, measured.highest] == pytest.approx([0.4213, 0.9964], abs=1e-4), "as in tables"
    assert precision_at(TEN, 0.821).right == 5, "a threshold counts itself, and nothing below"
    nothing = precision_at(TEN, 0.99)
    assert (nothing.answered, nothing.share, nothing.lowest) == (0, None, None)


@pytest.mark.parametrize(
    ("precision", "structure"), [(0.7, 0.65), (0.77, 0.7), (0.8, 0.82), (6 / 7, 0.82), (0.86, 0.91), (1, 0.91)]
)
def test_the_threshold_is_the_lowest_from_which_on_the_precision_is_reached(precision: float, structure: float) -> None:
    assert threshold_for(TEN, precision) == structure
    assert threshold_for(TEN.iloc[::-1], precision) == structure


def test_pairs_of_one_structure_reach_a_threshold_together() -> None:
    assert threshold_for(judged((0.9, True), (0.8, True), (0.8, False), (0.8, True)), 0.9) == 0.9


def test_a_precision_that_cannot_be_reached_is_refused_with_the_best() -> None:
    pairs = judged((0.95, False), (0.9, True), (0.85, True), (0.8, False), (0.75, True))
    with pytest.raises(UsageError, match=r"--precision 0.7: none of the 5 judged pairs.* best is 0.666, from 0.85 on"):
        threshold_for(pairs, 0.7)
    with pytest.raises(UsageError, match="no pair of items that the index has"):
        threshold_for(pairs.iloc[:0], 0.7)


def test_a_file_is_read_as_the_page_and_as_spreadsheets_write_it(tmp_path: Path) -> None:
    (tmp_path / "page.csv").write_bytes(
        '\ufeff"first","second","structure","same"\r\n"1","a ""b"", c","0.81","true"\r\n'.encode()
    )
    (tmp_path / "sheet.csv").write_text(
        "same;structure;second;first;remark\nFALSE;0,81;2;'=1+1;no\n;0,7;4;3;not judged\n"
    )
    page, sheet = (read_judged(Location(str(tmp_path / name))) for name in ("page.csv", "sheet.csv"))
    names = ["first", "second", "structure", "same", "line"]
    assert page[names].to_numpy().tolist() == [["1", 'a "b", c', 0.81, True, 2]]
    assert sheet[names].to_numpy().tolist() == [["=1+1", "2", 0.81, False, 2]], "one that nobody judged is left out"


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("first,second,same\n1,2,true\n", InputError, "j.csv has no column structure; it needs first, second"),
        (
            "first,second,structure,same\n1,2,0.8,true\n1,3,0.8,perhaps\n",
            InputError,
            "j.csv, line 3: same is 'perhaps'",
        ),
        ("first,second,structure,same\n1,2,high,true\n", InputError, "j.csv, line 2: structure 'high'"),
        ("first,second,structure,same\n1,2,nan,true\n", InputError, "j.csv, line 2: structure 'nan'"),
        ("first,second,structure,same\n1,2,7,true\n", InputError, "j.csv, line 2: structure '7'"),
        ("first,second,structure,same\n1,,0.8,true\n", InputError, "j.csv, line 2: it names no two items"),
        ("first,second,structure,same\n1,2,0.8\n", InputError, "j.csv, line 2: 3 fields"),
        ("first,second,structure,same\n1,2,0.8,\n", InputError, "no pair in .*j.csv is judged"),
        (None, UsageError, "there is no file .*j.csv"),
    ],
)
def test_a_file_that_breaks_its_contract_is_refused_with_its_line(
    tmp_path: Path, text: str | None, error: type[TaggerError], words: str
) -> None:
    if text is not None:
        (tmp_path / "j.csv").write_text(text)
    with pytest.raises(error, match=words):
        read_judged(Location(str(tmp_path / "j.csv")))
