"""The page of honest figures."""

from tagger.evaluation.intervals import share
from tagger.schemas.documents.bundle import LevelMetrics
from tagger.schemas.tables.prediction import Evidence
from tagger.workflows.honest.figures import APART, BY_TIME, RANDOM, Figures, Learnt, LeftOut, Line, Promise
from tagger.workflows.honest.page import page_of

IMAGE, ALL = Evidence.IMAGE, Evidence.IMAGE_TITLE_AND_COLUMNS

CALIBRATION = LevelMetrics(
    items=100, accuracy=0.8, weighted_f1=0.8, macro_f1=0.7, macro_f1_classes=3, minimum_support=5,
    expected_calibration_error=0.0123, calibration_error_by_chance=0.0321,
)  # fmt: skip


def line(name: str, right: int, evidence: Evidence = IMAGE) -> Line:
    learnt = Learnt(900, 0, 0, share(right, 100), CALIBRATION)
    if name == BY_TIME:
        learnt = Learnt(900, 70, 30, share(56, 70), CALIBRATION)
    return Line(name, "in some way", 100, share(right, 100), None, learnt, evidence)


def figures(**changes: object) -> Figures:
    settings: dict[str, object] = {
        "splits": [
            line(RANDOM, 82),
            line(RANDOM, 96, ALL),
            line(APART, 80),
            line(APART, 93, ALL),
            line(BY_TIME, 60),
        ],
        "moved": 12,
        "guesses": [
            Line("the model", "", 100, share(80, 100), None, evidence=IMAGE),
            Line("the model", "", 100, share(93, 100), None, evidence=ALL),
            Line("the title", "read alone", 100, share(95, 100), share(9, 10)),
        ],
        "promises": [
            Promise(0.95, IMAGE, 40, "control", 100, 20, share(19, 20)),
            Promise(0.99, IMAGE, 40, "control", 100, 0, None, 0.965, shown=False),
            Promise(0.95, ALL, 40, "control", 100, 60, share(56, 60), unshown={Evidence.IMAGE_AND_TITLE: 7}),
            Promise(0.99, ALL, 40, "control", 100, 60, share(50, 60)),
        ],
        "brands": [],
        "brand_promises": [],
        "left_out": [LeftOut("brands apart", "--brand names no column")],
    }
    return Figures(**(settings | changes))  # type: ignore[arg-type]


def test_the_page_shows_each_figure_with_its_interval_and_what_is_left_out_with_its_reason() -> None:
    page = page_of(figures(), {"recipe": "fast, seed 0"})
    assert "- recipe: fast, seed 0" in page
    assert (
        "| copies apart: in some way | the image alone | 900 | 100 | 80.0% (71.1 to 86.7%) | no type has 5 items "
        "| 0.0123 | 0.0321 |" in page
    )
    assert "right by the image alone, compared with copies apart: random +2.0 points, by time -20.0 points." in page
    assert (
        "right by image, title and columns, compared with copies apart: random +3.0 points. Keeping copies apart puts "
        "12 items on another side" in page
    )
    assert "| random: in some way | image, title and columns | 900 | 100 | 96.0%" in page
    assert "an item that lacks some of it is predicted by the rest" in page
    assert page.count("left out, because") == 1
    assert "By time: 70 items are left out, because no training item is of their leaf." in page
    assert page.count("fewer than 10 training items") == 1
    assert (
        "By time: 30 of the 100 test items are of article types with fewer than 10 training items; of the others, "
        "these are right: 80.0%" in page
    )
    assert "| the title | 95.0% (88.8 to 97.8%) | 0.900 (0.596 to 0.982) |" in page
    assert "| the model, by image, title and columns | 93.0%" in page
    assert "| the image alone | 95% | 40 | 100 | 20.0% | 95.0% (76.4 to 99.1%) | yes |" in page
    assert "| the image alone | 99% | 40 | 100 | 0.0% | cannot be shown on 40 items; 96.5% can |  |" in page
    assert "93.3% (84.1 to 97.4%); of 7 items by image and title, none is accepted" in page
    assert "| no, perhaps by chance |" in page
    assert "| 60.0% | 83.3% (72.0 to 90.7%) | no |" in page
    assert "neither trained nor calibrated" in page
    assert "Brands that" not in page
    assert "- brands apart: --brand names no column" in page


def test_splits_that_are_the_same_and_targets_that_hold_but_roughly_are_called_so() -> None:
    page = page_of(figures(moved=0, promises=[Promise(0.95, IMAGE, 40, "val", 100, 0, None)]), {})
    assert "The first two are the same: no copies are on both sides" in page
    assert "the targets hold but roughly" in page
    assert "| 95% | 40 | 100 | 0.0% | no test item is sure enough |  |" in page


def test_the_table_has_a_row_for_each_figure_and_for_what_is_left_out() -> None:
    table = figures().table()
    assert table["section"].value_counts().to_dict() == {"splits": 5, "guesses": 3, "targets": 4, "leftOut": 1}
    assert table["trainItems"].dropna().tolist() == [900] * 5
    assert table["evidence"][table["section"] == "splits"].tolist() == [IMAGE, ALL, IMAGE, ALL, IMAGE]
    held = table[table["section"] == "targets"]["held"]
    assert held.isna().tolist() == [False, True, False, False]
    assert held.dropna().tolist() == [True, False, False]
    assert "900.0" not in table.to_csv()


def test_promises_of_unseen_brands_have_a_table_of_their_own() -> None:
    promise = Promise(0.95, ALL, 40, "control", 100, 60, share(58, 60))
    page = page_of(figures(brands=[Line("unseen brands", "9", 100, share(9, 10), None)], brand_promises=[promise]), {})
    table = page.split("## What needs no person, of brands that the model has not seen")[1]
    assert "| image, title and columns | 95% | 40 | 100 | 60.0% | 96.7% (88.6 to 99.1%) | yes |" in table
    assert "Their brands did not train either" in table
