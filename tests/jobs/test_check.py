"""What check says of a catalogue: rows, labels, images, and what would be learnt."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from tagger.dataset.census import ImageChecks, take_census
from tagger.jobs.check import run
from tagger.jobs.shell.console import Console
from tagger.schemas.configs.check import CheckConfig
from tagger.workflows.check import check as look_at
from tagger.workflows.open_catalog import open_catalog
from tagger.workflows.prospect import prospect
from tests.builders import encoded, picture

Check = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.fixture
def check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Check:
    """Check rows of id, masterCategory and articleType; gives the exit code, the document and what a person reads."""

    def checked(
        rows: list[str], heading: str = "id,masterCategory,articleType", absent: str = "", **options: Any
    ) -> tuple[int, dict[str, Any], str]:
        (tmp_path / "m.csv").write_text("\n".join([heading, *rows]) + "\n")
        images = tmp_path / "images"
        images.mkdir(exist_ok=True)
        (images / "other.jpg").write_bytes(encoded(picture(24, 32)))
        for item in {row.split(",")[0] for row in rows} - set(absent):
            (images / f"{item}.jpg").write_bytes(encoded(picture(24, 32, seed=crc32(item.encode()))))
        settings = {"manifest": str(tmp_path / "m.csv"), "images": str(images), "min_items": 1, **options}
        settings = {name: value for name, value in settings.items() if value is not None}
        code = run(CheckConfig(**settings), Console(as_json=True))
        document = json.loads(capsys.readouterr().out)
        run(CheckConfig(**settings), Console())
        return code, document, capsys.readouterr().out

    return checked


def why(config: CheckConfig) -> str | None:
    """Why tagger train would refuse a catalogue that lies there."""
    manifest, store = open_catalog(config, Console(silent=True))
    census = take_census(manifest, store, {}, ImageChecks(config.max_pixels), [config.time_by], lambda _: None)
    return prospect(config, census, manifest).problem


def rows_of(**items: int) -> list[str]:
    """So many rows of each article type, all of one master category each."""
    return [f"{name}{n},{name.upper()},{name}" for name, count in items.items() for n in range(count)]


def test_words_for_no_value_are_named_with_their_counts(check: Check) -> None:
    words = ["None", "none", "#N/A", "n/a", "<NA>", "-", "NaN", "null", ""]
    code, document, text = check([f"{n},{word},{word}" for n, word in enumerate(words)] + ["x,Apparel,Shirts"])
    assert code == 0
    assert document["unlabelled"] == len(words)
    assert document["articleTypes"] == {"Shirts": 1}
    assert document["noValues"]["articleType"] == dict.fromkeys(words[:-1], 1)
    assert "Read as no articleType: None 1, none 1, #N/A 1" in text


def test_a_text_column_that_names_the_article_type_is_named(check: Check) -> None:
    rows = ["1,Apparel,Shirts,A blue shirt", "2,Apparel,Shirts,A blue thing", "3,Apparel,Shirts,", "4,,,A shirt"]
    _, document, text = check(rows, "id,masterCategory,articleType,Name")
    assert document["textColumns"] == [{"column": "Name", "items": 2, "namesArticleType": 1}]
    assert "Text: Name has the words of the article type in 50% of the 2 labelled items that have it" in text


VALUES = "id,masterCategory,articleType,gender,colour,note,one,few"


def of_few_values(n: int, labels: str) -> str:
    colour = "" if labels == "," else f"c{n % 4}"
    return f"{n},{labels},{'men' if n % 3 else 'women'},{colour},free text {n},same,{f'rare {n}' if n < 3 else '-'}"


def test_columns_of_few_values_are_named_and_asked_or_predicted_by_whether_untagged_items_have_them(
    check: Check,
) -> None:
    labelled = [of_few_values(n, "Apparel,Shirts") for n in range(60)]
    _, document, text = check([*labelled, *(of_few_values(n, ",") for n in range(60, 100))], VALUES)
    assert document["valueColumns"] == [
        {"column": "gender", "values": 2, "labelled": 60, "unlabelled": 40},
        {"column": "colour", "values": 4, "labelled": 60, "unlabelled": 0},
    ]
    assert "Columns of few values: gender 2, colour 4\n" in text
    assert "Items without labels have these: tagger train --evidence gender asks them, too." in text
    assert "Items without labels lack these: tagger train --attribute colour predicts them, too." in text


def test_where_all_items_are_labelled_a_person_says_what_is_known_before(check: Check) -> None:
    _, _, text = check([of_few_values(n, "Apparel,Shirts") for n in range(60)], VALUES)
    assert "tagger train --evidence COLUMN,COLUMN. Others can be predicted, too: --attribute COLUMN,COLUMN." in text
    _, _, text = check([of_few_values(n, ",") for n in range(60)], VALUES)
    assert "few values" not in text, "nothing can be learnt yet"


def test_the_training_that_is_proposed_learns_from_titles_that_name_the_type_and_not_from_others(check: Check) -> None:
    types = [("Apparel", "Shirts"), ("Accessories", "Watches")]
    for text, proposed in (("Blue {} of steel", True), ("Made in a far away country", False)):
        rows = [f"{n},{m},{a},{text.format(a)},x y" for n, (m, a) in enumerate(types * 60)]
        _, document, _ = check(rows, "id,masterCategory,articleType,Name,more")
        command, _, _ = document["next"].partition(" learns ")
        assert ("--title Name" in command) == proposed, command


def test_spellings_of_one_label_are_named_with_their_counts_and_can_be_merged(check: Check) -> None:
    labels = ["Tshirts"] * 4 + ["tshirts", "TSHIRTS", "T-shirts", "Tshirts\u00a0", "Cafe\u0301", "Café", "Jeans"]
    rows = [f"{n},Apparel,{label}" for n, label in enumerate(labels)]
    _, document, text = check(rows)
    assert document["spellings"]["articleType"] == [{"Tshirts": 5, "TSHIRTS": 1, "tshirts": 1}]
    assert document["lookAlikes"]["articleType"] == [{"Tshirts": 5, "T-shirts": 1, "TSHIRTS": 1, "tshirts": 1}]
    assert document["mendedLabels"]["articleType"] == {"space around": 1, "Unicode form": 1}
    assert "  Tshirts 5, TSHIRTS 1, tshirts 1\n" in text
    assert "--merge-spellings" in text
    _, document, text = check(rows, merge_spellings=True)
    assert document["articleTypes"] == {"Tshirts": 7, "Café": 2, "T-shirts": 1, "Jeans": 1}
    assert document["spellings"]["articleType"] == []
    assert document["mergedSpellings"]["articleType"] == {"TSHIRTS": "Tshirts", "tshirts": "Tshirts"}
    assert "Merged spellings, articleType: TSHIRTS as Tshirts, tshirts as Tshirts" in text


def test_article_types_that_were_read_are_listed_and_many_are_cut_off(check: Check) -> None:
    _, document, text = check(["a,Apparel,Röcke", "b,Apparel,Röcke", "c,,Hüte"])
    assert document["articleTypes"] == {"Röcke": 2, "Hüte": 1}
    assert "Article types, 2 in all: Röcke 2, Hüte 1" in text
    _, document, text = check([f"{n},A,t{n}" for n in range(45)])
    assert len(document["articleTypes"]) == 45
    assert "… and 5 more" in text


def test_missing_label_columns_are_named_with_what_looks_like_them(check: Check) -> None:
    code, document, text = check(["0,Apparel,Shirts"], "ID,Master Category,article_type", column={"id": "ID"})
    assert code == 0
    assert "--column 'masterCategory=Master Category' --column articleType=article_type" in document["missingColumns"]
    assert document["trainable"] is False
    assert text.count("'Master Category' and 'article_type' look like them") == 1


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "it has a heading, and no rows"),
        (["0,,", "1,,"], "not one of 2 items has both a masterCategory and an articleType"),
        (rows_of(shirts=8), "shirts"),
        (rows_of(shirts=1, shoes=1), ""),
    ],
)
def test_what_cannot_be_learnt_from_is_said_with_its_cause(check: Check, rows: list[str], words: str) -> None:
    _, document, text = check(rows)
    assert document["trainable"] is False
    assert words in document["whyNotTrainable"]
    assert "tagger train would refuse this" in text
    assert document["next"] is None


def test_check_ends_with_the_command_to_go_on_with_and_what_it_learns(check: Check) -> None:
    _, document, text = check(rows_of(shirts=60, shoes=55, bags=1))
    assert document["trainable"] is True
    assert document["next"].endswith(
        "--out bundle --min-items 1 learns 3 of 3 leaves (100% of the labelled items)"
    ) or (document["learnt"]["leaves"] == 2)
    command, _, _ = document["next"].partition(" learns ")
    assert text.rstrip().endswith(f"\nNext: {command}")
    _, document, _ = check(rows_of(shirts=60, shoes=12, bags=11, hats=3), min_items=50, val=0.2)
    assert document["trainable"] is False
    assert document["next"].startswith("tagger train --manifest ")
    assert document["next"].endswith(
        "--val 0.2 --out bundle --min-items 10 learns 3 of 4 leaves (97% of the labelled items)"
    )


def test_what_the_proposed_least_number_of_items_learns_is_said_beside_what_the_given_one_would(check: Check) -> None:
    *_, text = check(rows_of(shirts=60, shoes=55, bags=12, hats=11), min_items=None)
    assert (
        "Training: --min-items 10 learns 4 of 4 article types, 100% of items; --min-items 50 would learn 2, 83%."
        in (text.splitlines())
    )
    assert text.rstrip().endswith(" --out bundle --min-items 10")


def test_a_catalogue_of_a_few_items_is_proposed_a_training_that_suits_it(check: Check) -> None:
    *_, text = check(rows_of(shirts=4, shoes=4, bags=3, hats=3), min_items=None)
    assert (
        "Training: --min-items 3 learns 4 of 4 article types, 100% of items; --min-items 50 would learn nothing."
        in (text.splitlines())
    )


def test_a_given_least_number_of_items_is_kept_and_what_it_leaves_out_is_a_warning(
    check: Check, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    *_, text = check(rows_of(shirts=60, shoes=55, bags=12, hats=11), min_items=50)
    assert "Training: --min-items 50 learns 2 of 4 article types, 83% of items." in text.splitlines()
    assert text.rstrip().endswith(" --out bundle --min-items 50")
    config = CheckConfig(manifest=str(tmp_path / "m.csv"), images=str(tmp_path / "images"), min_items=50)
    run(config, Console())
    assert (
        "! 17% of the labelled items (23) are of article types that the model does not learn; it tags them as "
        "something else. It can never say BAGS, HATS."
    ) in capsys.readouterr().err.splitlines()


def test_a_catalogue_is_looked_at_in_python_without_a_word_on_standard_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "m.csv").write_text("id,masterCategory,articleType\na,Apparel,Shirts\nb,,\n")
    (tmp_path / "a.jpg").write_bytes(encoded(picture(24, 32)))
    result = look_at(CheckConfig(manifest=str(tmp_path / "m.csv"), images=str(tmp_path)))
    assert (result.census.items, result.census.unlabelled, result.census.images_usable) == (2, 1, 1)
    assert result.problem is None
    assert result.advice is None
    assert capsys.readouterr().out == ""


def test_a_time_split_over_dates_that_have_no_order_is_no_training(check: Check) -> None:
    rows = [f"{n},A,{'ab'[n % 2]},{n % 28 + 1:02d}.11.2024" for n in range(24)]
    _, document, _ = check(rows, "id,masterCategory,articleType,created", split="time", time_by="created")
    assert document["trainable"] is False
    assert "not one cell of created is a number or an ISO date, such as '01.11.2024'" in document["whyNotTrainable"]


def test_a_side_whose_images_all_fail_is_no_training(
    check: Check, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"{n},{'AB'[n % 2]},{'ab'[n % 2]},{2000 + n}" for n in range(40)]
    by_time: dict[str, Any] = {"heading": "id,masterCategory,articleType,year", "split": "time", "control": 0.0}
    _, document, _ = check(rows, **by_time)
    assert document["trainable"] is True
    assert sum(document["learnt"]["sides"].values()) == 40
    for n in range(34, 40):
        (tmp_path / "images" / f"{n}.jpg").write_bytes(b"no picture")
    catalogue = CheckConfig(
        manifest=str(tmp_path / "m.csv"), images=str(tmp_path / "images"), min_items=1, split="time", control=0.0
    )
    assert why(catalogue) == "--images: not one image of the test items can be used"
    run(catalogue, Console())
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "Next: mend the images, and run tagger check again."
    assert any("Items count by their labels, also those whose image cannot be used." in line for line in lines)


def test_images_that_fail_are_shown_with_path_and_reason_and_what_was_probably_meant(
    check: Check, tmp_path: Path
) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").write_bytes(encoded(picture(24, 32)))
    code, document, text = check([f"{name},A,x" for name in "ABCD"], absent="ABCD")
    assert code == 3
    example = document["imageErrorExamples"]["not_found"][0]
    assert example["id"] == "A"
    assert example["image"].endswith("images/A.jpg")
    assert "  not_found 4:\n    A: " in text
    assert "… and 1 more" in text
    assert any("upper and lower case differ" in line for line in document["nearMisses"])
    assert document["nearMisses"][0] in text
