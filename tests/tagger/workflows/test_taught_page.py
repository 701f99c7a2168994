"""The report page of a bundle shows what it was taught beside images, and never what no longer holds."""

import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tagger.evaluation.metrics import Evaluation, Predicted
from tagger.evaluation.report import Extras, write_report
from tagger.evaluation.shares import percent, with_interval
from tagger.io.location import Location
from tagger.models.bundle import Bundle
from tagger.reporter import LOG
from tagger.schemas.documents.bundle import AttributePolicy, LevelPolicy, Policy
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.prediction import Evidence
from tagger.workflows.attributes_taught import forget_attributes
from tagger.workflows.evidence_taught import Asked
from tagger.workflows.taught_page import begin_renewal, renew
from tests.tagger.workflows import test_attributes_taught, test_evidence_taught


class _Rows(HTMLParser):
    """The cells of all table rows of a page, as text."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._in_cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        self._in_cell = tag in ("td", "th") or (self._in_cell and tag != "tr")

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = self._in_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.rows[-1][-1] += data.strip()


def rows_of(text: str, section: str) -> list[list[str]]:
    """Rows of the tables in the section whose heading has this id."""
    _, heading, rest = text.partition(f'<h3 id="{section}">')
    assert heading, f"the page has no section {section}"
    parser = _Rows()
    parser.feed(rest.partition("<h3")[0])
    return parser.rows


@pytest.fixture
def page(bundle: Bundle, tmp_path: Path) -> Path:
    """The page of a report by the image alone, in the folder of a bundle."""
    names = np.array(["a", "b"], object)
    levels = {level: Predicted(names, names, np.ones(2)) for level in Level}
    evaluation = Evaluation("test", levels, items=pd.DataFrame({"id": ["x", "y"], "blurScore": [9.0, 9.0]}))
    write_report(Location(str(tmp_path / "report")), "Training report", {}, evaluation, Extras(by="the image alone"))
    bundle.save(Location(str(tmp_path)))
    return tmp_path / "report/index.html"


def renewed(bundle: Bundle, page: Path) -> str:
    renew(Location(str(page.parent.parent)), bundle.card, LOG)
    return page.read_text()


def test_the_page_says_what_is_by_the_image_alone_and_what_all_evidence_says(bundle: Bundle, page: Path) -> None:
    before = page.read_text()
    assert "by the image alone" in before and 'id="evidence"' not in before
    items = test_evidence_taught.shop(bundle, named=0.5)
    result = test_evidence_taught.taught(bundle, page.parent.parent, Asked(["name"], ["half"]), items)
    text = renewed(bundle, page)
    top = text[: text.index('<h3 id="cannot">')]
    assert "are by the image alone" in top
    figures = result.by["image+title+columns"]
    shown = {level: with_interval(figures[level].accuracy, 150) for level in Level}
    assert f"Article type {shown[Level.ARTICLE_TYPE]}; Master category {shown[Level.MASTER_CATEGORY]}" in top

    rows = {row[0]: row[1:] for row in rows_of(text, "evidence")[1:]}
    assert len(rows) == len(result.by)
    by_title = result.by["title without its type"]
    cells = rows["title, without the words of the type"]
    assert cells[:3] == ["150", *(with_interval(by_title[level].accuracy, 150) for level in Level)]
    error = by_title[Level.ARTICLE_TYPE]
    assert error.calibration_error_by_chance is not None
    assert cells[4] == (
        f"{100 * error.expected_calibration_error:.2f}% ({100 * error.calibration_error_by_chance:.2f}%)"
    )
    kept = json.loads((page.parent / "evidence.json").read_text())
    assert (kept["items"], kept["by"]["title"]["articleType"]["accuracy"]) == (
        150, pytest.approx(result.by["title"][Level.ARTICLE_TYPE].accuracy),
    )  # fmt: skip


def test_denied_labels_are_counted_and_linked(bundle: Bundle, page: Path) -> None:
    test_evidence_taught.taught(bundle, page.parent.parent, Asked(["name"]), test_evidence_taught.shop(bundle, named=1))
    assert "denied-labels.csv" not in renewed(bundle, page), "no label is denied"
    (page.parent / "denied-labels.csv").write_text("id,split\n1,test\n2,test\n3,val\n")
    text = renewed(bundle, page)
    assert "for 3 held-out items (2 of test, 1 of val)" in text
    assert '<a href="denied-labels.csv">' in text


def test_further_tags_are_shown_by_value_as_counted_by_hand(bundle: Bundle, page: Path) -> None:
    folder = page.parent.parent
    items = test_attributes_taught.shop()
    items.loc[items.index[items["split"] == "test"][:3], "column:size"] = "huge"
    result = test_attributes_taught.taught(bundle, folder, items, Asked(attributes=["size"]))
    assert result is not None
    text = renewed(bundle, page)
    held_out = pd.read_parquet(page.parent / "attributes.parquet")
    test = held_out[held_out["side"] == "test"]
    right = (test["label"] == test["value"]).mean()
    assert f"Further tags, by all that each test item shows: size {percent(right, len(test))}." in text
    rows = rows_of(text, "further-tags")
    (by_image,) = (row for row in rows if row[1] == "image")
    assert by_image[2:4] == [str(len(test)), with_interval(right, len(test))]
    most_frequent = (test["label"] == result.model.attributes[0].values[0]).mean()
    (guess,) = (row for row in rows if "guess: the most frequent value" in row)
    assert (guess[0], guess[3]) == ("size, 2 values", percent(most_frequent, len(test)))
    assert "Counted as wrong: 3 items with a value that was not learnt" in text

    by_value = pd.read_csv(page.parent / "per-value.csv")
    large = by_value[(by_value["value"] == "large") & (by_value["evidence"] == "all")].iloc[0]
    hit = ((test["label"] == "large") & (test["value"] == "large")).sum()
    assert (large["attribute"], large["support"]) == ("size", (test["label"] == "large").sum())
    assert large["recall"] == pytest.approx(hit / (test["label"] == "large").sum(), abs=1e-4)
    assert large["precision"] == pytest.approx(hit / (test["value"] == "large").sum(), abs=1e-4)
    shown = {row[0]: row for row in rows}
    assert shown["large"][1:4] == [str(large["support"]), f"{large['precision']:.3f}", f"{large['recall']:.3f}"]
    assert shown["huge"][1] == "3" and shown["huge"][6] in ("small", "large")
    confused = pd.read_csv(page.parent / "confused-values.csv")
    assert confused["items"].sum() == (test["label"] != test["value"]).sum()
    assert json.loads((page.parent / "attributes.json").read_text())["size"]["unknownValues"] == 3


def test_what_policies_accept_is_shown_while_they_hold(bundle: Bundle, page: Path) -> None:
    folder = page.parent.parent
    test_attributes_taught.taught(bundle, folder, test_attributes_taught.shop(), Asked(attributes=["size"]))
    level = LevelPolicy(target_precision=0.9, accept_above=0.99, coverage=1, precision=1, at_least=0.9)
    policy = AttributePolicy(probability=0.9, fitted_on={}, by_evidence={Evidence.IMAGE: level})
    both = Policy(probability=0.9, fitted_on=1, levels=dict.fromkeys(Level, level))
    promising = bundle.changed(policy=both, attribute_policies={"size": policy})
    text = renewed(promising, page)
    held_out = pd.read_parquet(page.parent / "attributes.parquet")
    test = held_out[held_out["side"] == "test"]
    accepted = test[test["confidence"].astype(np.float32) >= np.float32(0.99)]
    assert 0 < len(accepted) < len(test)
    (row,) = (row for row in rows_of(text, "further-tags") if row[1] == "image")
    right = (accepted["label"] == accepted["value"]).mean()
    assert row[6:] == [f"{percent(len(accepted) / len(test), len(test))} at 90%", with_interval(right, len(accepted))]
    assert ["image", "Article type", "2", "90%", "100% (34 to 100%)", "100% (34 to 100%)"] in rows_of(text, "accepted")
    kept = json.loads((page.parent / "accepted.json").read_text())
    assert kept["attributes"][0]["coverage"] == pytest.approx(len(accepted) / len(test))

    again = renewed(bundle, page)
    assert 'id="accepted"' not in again and "at 90%" not in again
    assert not (page.parent / "accepted.json").exists()


def test_what_is_being_taught_anew_is_off_the_page_until_it_is_done(bundle: Bundle, page: Path) -> None:
    folder = Location(str(page.parent.parent))
    fresh = page.read_text()
    test_attributes_taught.taught(bundle, Path(folder.path), test_attributes_taught.shop(), Asked(attributes=["size"]))
    assert 'id="further-tags"' in renewed(bundle, page)
    begin_renewal(folder)
    text = page.read_text()
    assert "If this note stays, the command was interrupted" in text and 'id="further-tags"' not in text
    (page.parent.parent / "attributes.safetensors").write_bytes(b"broken")
    assert forget_attributes(folder, bundle.card)
    assert {file.name for file in page.parent.iterdir()}.isdisjoint({"attributes.json", "per-value.csv"})
    assert renewed(bundle, page) == fresh, "as it was before anything was taught"


def test_a_page_of_an_earlier_version_is_left_alone_and_named(
    bundle: Bundle, page: Path, caplog: pytest.LogCaptureFixture
) -> None:
    page.write_text("<html>an old page</html>")
    assert renewed(bundle, page) == "<html>an old page</html>"
    assert "index.html was written by an earlier version" in caplog.text
    page.unlink()
    renew(Location(str(page.parent.parent)), bundle.card, LOG)
    assert "index.html is gone" in caplog.text


def test_names_of_tags_and_values_are_escaped(bundle: Bundle, page: Path) -> None:
    items = test_attributes_taught.shop()
    items["column:<i>"] = items["column:size"].replace("large", "<!-- end sections -->")
    items["column:size"] = items["column:<i>"]
    test_attributes_taught.taught(bundle, page.parent.parent, items, Asked(attributes=["<i>"]))
    first = renewed(bundle, page)
    assert "<i>" not in first and first.count("<!-- end sections -->") == 1
    assert renewed(bundle, page) == first, "renewing again changes nothing"
