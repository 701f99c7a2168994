import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tagger.evaluation.breakdown import (
    by_group,
    by_support,
    confused_pairs,
    confusion_cells,
    difference,
    most_frequent_confusions,
)
from tagger.evaluation.intervals import reliability_by_rank
from tagger.evaluation.metrics import (
    Evaluation,
    Predicted,
    calibration_error,
    calibration_error_by_chance,
    confusions,
    level_metrics,
    most_confused,
    per_class,
)
from tagger.evaluation.report import Extras, Training, write_report
from tagger.io.location import Location
from tagger.schemas.documents.bundle import LeftOut
from tagger.schemas.documents.taxonomy import Level


def predicted(truth: str, guess: str, confidence: list[float] | None = None) -> Predicted:
    n = len(truth)
    return Predicted(np.array(list(truth), object), np.array(list(guess), object), np.array(confidence or [0.9] * n))


def test_the_calibration_error_is_the_mean_gap_over_bins() -> None:
    confidence = np.array([0.95] * 4 + [0.65] * 4)
    correct = np.array([1, 1, 1, 0, 1, 1, 0, 0], bool)  # 0.75 and 0.5
    assert calibration_error(confidence, correct, bins=10) == pytest.approx((0.2 + 0.15) / 2)
    assert calibration_error(np.array([]), np.array([], bool)) == 0


def test_a_confidence_of_one_falls_into_the_last_bin() -> None:
    assert calibration_error(np.array([1.0, 1.0]), np.array([True, True])) == 0


@pytest.mark.parametrize("items", [170, 4000])
def test_the_calibration_error_by_chance_is_what_perfect_confidences_have(items: int) -> None:
    rng = np.random.default_rng(items)
    confidence = rng.beta(8, 1, items)  # most are sure
    drawn = [calibration_error(confidence, rng.random(items) < confidence) for _ in range(400)]
    assert calibration_error_by_chance(confidence) == pytest.approx(np.mean(drawn), rel=0.1)
    assert calibration_error_by_chance(np.array([])) == 0
    assert calibration_error_by_chance(np.ones(5)) == 0


def test_metrics_of_a_known_case() -> None:
    p = predicted("aaaaaabbbbbc", "aaaaabbbbbbb")
    found = level_metrics(p, minimum_support=5)
    f1_a, f1_b = 2 * 5 / (2 * 5 + 0 + 1), 2 * 5 / (2 * 5 + 2 + 0)
    assert found.accuracy == pytest.approx(10 / 12)
    assert found.macro_f1 == pytest.approx((f1_a + f1_b) / 2)
    assert found.macro_f1_classes == 2
    assert found.weighted_f1 == pytest.approx((6 * f1_a + 5 * f1_b) / 12)
    assert found.items == 12


def test_the_class_table_is_ordered_by_support_and_the_matrix_adds_up() -> None:
    p = predicted("aabbbc", "abbbca")
    assert per_class(p)["class"].tolist() == ["b", "a", "c"]
    matrix = confusions(p)
    assert int(matrix.to_numpy().sum()) == 6
    assert matrix.loc["c", "a"] == 1


def test_confusions_are_counted_each_way_and_both_ways() -> None:
    p = predicted("aaaabbbbcc", "abbcbaabcc")
    table = most_frequent_confusions(p)
    found = list(zip(table["truth"], table["predicted"], table["items"], table["share"], strict=True))
    assert found == [("a", "b", 2, 0.5), ("b", "a", 2, 0.5), ("a", "c", 1, 0.25)]
    assert confused_pairs(p).to_dict("records") == [
        {"a": "a", "b": "b", "items": 4, "aAsB": 2, "bAsA": 2},
        {"a": "a", "b": "c", "items": 1, "aAsB": 1, "bAsA": 0},
    ]
    assert confused_pairs(predicted("ab", "ab")).empty


def test_the_head_the_middle_and_the_tail_are_thirds_of_the_classes() -> None:
    p = predicted("a" * 9 + "b" * 6 + "c" * 3, "a" * 9 + "b" * 3 + "c" * 3 + "a" * 3)
    found = by_support(p).set_index("group")
    assert found["items"].to_dict() == {"head": 9, "middle": 6, "tail": 3}
    assert found["accuracy"].to_dict() == {"head": 1.0, "middle": 0.5, "tail": 0.0}
    assert found["macro_f1"]["tail"] == 0


def test_what_is_taken_for_a_rare_class_counts_against_it() -> None:
    found = by_support(predicted("a" * 9 + "b" * 6 + "c" * 3, "a" * 6 + "c" * 3 + "b" * 6 + "c" * 3)).set_index("group")
    assert found["accuracy"].to_dict() == {"head": 6 / 9, "middle": 1.0, "tail": 1.0}
    assert found["macro_f1"].to_dict() == pytest.approx({"head": 0.8, "middle": 1.0, "tail": 2 / 3})


def test_groups_are_in_the_order_of_numbers_and_items_without_one_are_left_out() -> None:
    p = predicted("aabb", "abbb")
    found = by_group(p, np.array(["10", "9", None, "9"], object))
    assert found["group"].tolist() == ["9", "10"]
    assert found["accuracy"].tolist() == [0.5, 1.0]


def test_two_models_are_compared_item_by_item() -> None:
    first, second = predicted("a" * 20, "a" * 20), predicted("a" * 20, "a" * 12 + "b" * 8)
    found = difference(first, second)
    assert (found.only_first, found.only_second) == (8, 0)
    assert found.p_value == pytest.approx(2 * 0.5**8)
    assert difference(first, first).p_value == 1


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.links += [v or "" for k, v in attributes if k in ("src", "href") and tag != "use"]


def test_the_report_is_one_page_with_its_facts_beside_it(tmp_path: Path) -> None:
    history = [
        {"epoch": e, **{f"{s}_{m}": 0.5 for s in ("train", "val") for m in ("loss", "accuracy")}} for e in range(3)
    ]
    levels = {
        Level.MASTER_CATEGORY: predicted("aaabbb", "aaabba"),
        Level.ARTICLE_TYPE: predicted("xyxyxy", "xyxyxx"),
    }
    evaluation = Evaluation("test", levels, outside_taxonomy=2, failed=1)
    training = Training(
        history, 1, [LeftOut(master_category="A", article_type="<b>rare</b>", items=3)], "30% are not learnt."
    )
    page = write_report(Location(str(tmp_path)), "A report", {"model": "abc"}, evaluation, Extras(training=training))
    text = Path(page.path).read_text()
    tags = _Tags()
    tags.feed(text)
    assert all(link.startswith("#") for link in tags.links), "the page must not load anything"
    assert "83% (44 to 97%)" in text
    assert "1 b item was tagged a." in text
    assert "&lt;b&gt;rare" in text
    assert "<b>rare" not in text
    assert text.index("30% are not learnt.") < text.index(">For engineers</h2>")
    assert text.count("<svg") == 7
    facts = json.loads((tmp_path / "metrics.json").read_text())
    assert facts["levels"]["masterCategory"]["accuracy"] == pytest.approx(5 / 6)
    by_chance = facts["levels"]["masterCategory"]["calibrationErrorByChance"]
    assert f"by chance alone, on as many items: {by_chance:.4f}" in text
    assert pd.read_csv(tmp_path / "per-class-articleType.csv")["support"].sum() == 6
    assert (tmp_path / "confusion-masterCategory.csv").exists()


@pytest.mark.filterwarnings("error")
def test_any_name_can_stand_in_a_plot(tmp_path: Path) -> None:
    names = np.array(["Deals $5_$10", "a$\\b$", "手表", "<i>&", "plain"], object)
    p = Predicted(names, names[::-1].copy(), np.full(5, 0.5))
    page = write_report(Location(str(tmp_path)), "Odd names", {}, Evaluation("test", {Level.ARTICLE_TYPE: p}))
    text = Path(page.path).read_text()
    assert "Deals $5_$10" in text
    assert "手表" in text
    assert "4 most frequent confusions" in text
    assert "<i>&" not in text


def test_a_report_without_a_mistake_lists_no_confusions_and_one_item_is_an_item(tmp_path: Path) -> None:
    evaluation = Evaluation("test", {Level.ARTICLE_TYPE: predicted("x", "x")}, outside_taxonomy=1, failed=1)
    text = Path(write_report(Location(str(tmp_path)), "r", {}, evaluation).path).read_text()
    assert "confus" not in text.partition("</style>")[2].partition('<h2 id="engineers">')[0]
    assert "most frequent confusion" not in text
    assert "1 items" not in text


def team_of(text: str) -> str:
    """The half of a page that is for the catalogue team, as text."""
    half = text.partition("<main>")[2].partition('<h2 id="engineers">')[0]
    return " ".join(re.sub("<[^>]+>", " ", half).split())


def test_a_perfect_model_and_an_empty_report_read_well(tmp_path: Path) -> None:
    for name, letters in (("perfect", "x" * 40 + "y" * 40), ("empty", "")):
        level = Predicted(np.array(list(letters), object), np.array(list(letters), object), np.ones(len(letters)))
        evaluation = Evaluation("test", dict.fromkeys(Level, level))
        text = Path(write_report(Location(str(tmp_path / name)), "r", {}, evaluation).path).read_text()
        team = team_of(text)
        assert not re.search(r"\b0 most|nan|None|confuse|sure of|–%", team, re.IGNORECASE), team
        expected = {"perfect": "100% (95 to 100%) of 80 items have the right article type: 0 are wrong.",
                    "empty": "There are no items to judge it by."}  # fmt: skip
        assert expected[name] in team


def test_a_sure_mistake_is_listed_once_from_80_percent_on_and_no_label_is_called_wrong(tmp_path: Path) -> None:
    """Nine pairs of classes are confused; a page shows eight of them, so that the ninth is among the sure ones."""
    truth, other = np.array(list("aaabbbcccdddeeefffggghhhii"), object), np.array(list("ABCDEFGHI"), object)
    guess = np.array([other["abcdefghi".index(t)] for t in truth], object)
    confidence = np.where(truth == "i", [0.79, 0.81] * 13, 0.5)
    evaluation = Evaluation("test", {Level.ARTICLE_TYPE: Predicted(truth, guess, confidence)})
    team = team_of(Path(write_report(Location(str(tmp_path)), "r", {}, evaluation).path).read_text())
    sure = team.partition("Mistakes it is most sure of")[2].partition("Class by class")[0]
    assert "81% sure" in sure and "79% sure" not in sure and "50% sure" not in sure
    assert "label that is wrong" not in team and "labels are wrong" not in team


def test_bins_of_reliability_have_equal_numbers_and_intervals() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.beta(8, 1, 500)
    table = reliability_by_rank(confidence, rng.random(500) < confidence)
    assert table["items"].tolist() == [50] * 10
    assert (table["low"] < table["accuracy"]).all() and (table["accuracy"] <= table["high"]).all()
    assert ((table["low"] <= table["confidence"]) & (table["confidence"] <= table["high"])).sum() >= 8
    assert reliability_by_rank(np.full(45, 0.9), np.ones(45, bool))["items"].tolist() == [23, 22]
    assert reliability_by_rank(np.zeros(0), np.zeros(0, bool)).empty


def test_a_report_of_thousands_of_classes_can_be_opened_and_loses_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    names = np.array([f"Home & Garden > Kitchen, “{n}” / Things with a long name of their own" for n in range(1100)])
    truth, predicted = np.repeat(names, 2).astype(object), rng.choice(names, 2200).astype(object)
    predicted[::2] = truth[::2]
    level = Predicted(truth, predicted, rng.random(2200).astype(np.float32))
    items = pd.DataFrame({"id": [str(n) for n in range(2200)]})
    write_report(Location(str(tmp_path)), "r", {}, Evaluation("test", {Level.ARTICLE_TYPE: level}, items=items))
    sizes = {file.name: file.stat().st_size for file in tmp_path.iterdir()}
    assert sizes["index.html"] < 1_500_000
    assert max(size for name, size in sizes.items() if name.endswith(".csv")) < 1_000_000
    cells = pd.read_csv(tmp_path / "confusion-cells-articleType.csv")
    assert cells["items"].sum() == 2200
    page = (tmp_path / "index.html").read_text()
    assert "100 more, the least frequent" in page
    assert "the 150 of 1,100 classes that are most confused" in page
    assert len(pd.read_csv(tmp_path / "per-class-articleType.csv")) == 1100


def test_shares_in_a_part_of_the_confusions_are_of_all_items_of_a_class() -> None:
    level = Predicted(
        np.array(list("aaaabbbbcc"), object), np.array(list("abbcbbbbcc"), object), np.ones(10, np.float32)
    )
    assert most_confused(level, 2) == ["a", "b"]
    some = confusions(level, ["a", "b"])
    assert some.to_numpy().tolist() == [[1, 2], [0, 4]]
    assert confusion_cells(level)[["truth", "predicted", "items", "share"]].to_numpy().tolist() == [
        ["a", "a", 1, 0.25], ["a", "b", 2, 0.5], ["a", "c", 1, 0.25], ["b", "b", 4, 1.0], ["c", "c", 2, 1.0],
    ]  # fmt: skip
