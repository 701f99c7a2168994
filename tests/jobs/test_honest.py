"""How much of a recipe's accuracy is real: one recipe on several splits, beside guesses, on one page."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tagger import Tagger
from tagger.demo.drawn_catalogue import Drawn
from tests.conftest import Outcome

Run = Callable[..., Outcome]
ALL = "image+title+columns"
pytestmark = pytest.mark.usefixtures("embedded_ray")


@pytest.fixture
def shop(drawn: Drawn, tmp_path: Path) -> Path:
    """The drawn catalogue with a brand for most items, a note for each, and a copy of every eighth."""
    folder = tmp_path / "shop"
    shutil.copytree(drawn.images, folder / "images")
    with drawn.manifest.open(encoding="utf-8", newline="") as file:
        heading, *rows = csv.reader(file)
    shown = [
        [*row, f"note {n}", "" if n % 10 == 0 else f"Brand {n // 4}"]
        for n, row in enumerate(rows)
        if len(row) == len(heading)
    ]
    for cells in shown[::8]:
        image = folder / "images" / f"{cells[0]}.jpg"
        if image.exists():
            shutil.copy(image, image.with_stem(f"9{cells[0]}"))
            shown.append([f"9{cells[0]}", *cells[1:]])
    with (folder / "styles.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([[*heading, "note", "brand"], *shown])
    return folder


def honest(shop: Path, out: Path, *more: object) -> list[object]:
    """The command, with settings that train in seconds."""
    settings = {"backbone": "small_cnn", "weights": "none", "image_size": "32x24", "epochs": 1, "batch_size": 32}
    return [
        "results", "--honest", "--manifest", shop / "styles.csv", "--images", shop / "images", "--out", out,
        "--recipe", "cnn-2conv", "--min-items", 8, "--val", 0.15, "--test", 0.15, "--control", 0.1,
        *(f"--set={name}={value}" for name, value in settings.items()), *more,
    ]  # fmt: skip


def sides_of(bundle: Path) -> "pd.Series[str]":
    return pd.read_parquet(bundle / "splits.parquet").set_index("id")["split"]


def test_one_recipe_is_measured_on_every_split_beside_guesses(tagger: Run, shop: Path, tmp_path: Path) -> None:
    out = tmp_path / "honest"
    asked = ["--title", "productDisplayName", "--evidence", "baseColour,note"]
    command = honest(shop, out, *asked, "--brand", "brand", "--time-by", "season", "--json")
    outcome = tagger(*command)
    assert outcome.code == 0, outcome.err
    said = json.loads(outcome.out)
    assert [(line["name"], line["evidence"]) for line in said["splits"]] == [
        ("random", "image"), ("random", ALL), ("copies apart", "image"), ("copies apart", ALL)
    ]  # fmt: skip
    splits = by_name(said["splits"])
    for name, line in splits.items():
        card = json.loads((out / name.replace(" ", "-") / "bundle.json").read_text())
        measured = card["metrics"][0]["levels"]["articleType"]
        assert line["articleType"] == measured["accuracy"]
        assert line["articleTypeLow"] < line["articleType"] < line["articleTypeHigh"]
        assert line["calibrationErrorByChance"] == pytest.approx(measured["calibrationErrorByChance"])
        assert line["trainItems"] == card["provenance"]["splitItems"]["train"]

    of_all = by_name(said["splits"], ALL)
    apart_items = items_of(shop, out / "copies-apart", "test")
    right = apart_items["articleType"] == tagged(out / "copies-apart", shop, apart_items)
    assert of_all["copies apart"]["articleType"] == right.mean()
    assert of_all["copies apart"]["items"] == splits["copies apart"]["items"] == len(right)

    guesses = by_name(said["guesses"]) | by_name(said["guesses"], None)
    assert by_name(said["guesses"], ALL)["the model"]["articleType"] == of_all["copies apart"]["articleType"]
    without_type = by_name(said["guesses"], ALL)["the model, title without its type"]["articleType"]
    assert without_type < of_all["copies apart"]["articleType"]
    assert guesses["the model"]["articleType"] == splits["copies apart"]["articleType"]
    assert {line["items"] for line in guesses.values()} == {splits["copies apart"]["items"]}
    items = pd.read_parquet(out / "copies-apart/report/items.parquet")
    labels = pd.read_csv(shop / "styles.csv", dtype=str).set_index("id")["articleType"]
    train = sides_of(out / "copies-apart").loc[lambda sides: sides == "train"].index
    most = labels[train].value_counts().sort_index().idxmax()
    assert guesses["the most frequent type"]["articleType"] == (items["articleTypeTrue"] == most).mean()
    assert guesses["the title"]["articleType"] > guesses["the title without its type"]["articleType"]

    assert [target["target"] for target in said["targets"]] == [0.95, 0.98, 0.99] * 2
    assert [target["evidence"] for target in said["targets"]] == ["image"] * 3 + [ALL] * 3
    assert {(target["side"], target["accepted"]) for target in said["targets"]} == {("control", 0)}
    brands = pd.read_csv(shop / "styles.csv", dtype=str).set_index("id")["brand"]
    apart = sides_of(out / "brands-apart")
    unseen = brands[apart.index[apart == "test"]].dropna()
    assert not set(unseen) & set(brands[apart.index[apart == "train"]].dropna())
    assert said["brands"][0]["items"] <= len(unseen), "items without a usable image or a brand do not count"
    assert [(line["name"], line["evidence"]) for line in said["brands"]][:2] == [
        ("unseen brands", "image"), ("unseen brands", ALL)
    ]  # fmt: skip
    of_unseen = items_of(shop, out / "brands-apart", "test").dropna(subset=["brand"])
    right = of_unseen["articleType"] == tagged(out / "brands-apart", shop, of_unseen)
    assert said["brands"][1]["articleType"] == pytest.approx(right.mean())
    control = items_of(shop, out / "brands-apart", "control")["brand"].dropna()
    assert not set(control) & set(brands[apart.index[apart == "train"]].dropna())
    of_brands = pd.DataFrame(said["brandTargets"]).groupby("evidence", sort=False).first()
    assert list(of_brands.index) == ["image", ALL, "image+title", "image+columns", "title", "title+columns"]
    assert (of_brands["fittedOn"]["image"], of_brands["items"]["image"]) == (len(control), len(of_unseen))

    figures = [one["figure"] for one in said["leftOut"]]
    assert figures[0] == "by time", "the shop has years, and no seasons"
    assert figures[1:] == [f"{name}, --evidence note" for name in ("random", "copies apart", "brands apart")]
    assert "neither plain numbers nor values" in said["leftOut"][1]["why"], "each note is another one"
    assert "the manifest has no column season" in said["leftOut"][0]["why"]
    assert "Left out: by time: the manifest has no column season" in outcome.err

    page = (out / "honest.md").read_text()
    assert "items on another side than the random split" in page, "the shop has copies"
    assert f"{100 * splits['random']['articleType']:.1f}% (" in page
    assert "by image, title and columns, compared with copies apart" in page
    assert "## What needs no person, of brands that the model has not seen" in page
    sections = ("splits", "guesses", "targets", "brands", "brandTargets", "leftOut")
    assert len(pd.read_csv(out / "honest.csv")) == sum(len(said[name]) for name in sections)
    written = {path: path.stat().st_mtime_ns for path in out.glob("*/bundle.json")}
    repeated = tagger(*command)
    assert json.loads(repeated.out) == said, "what could not be learnt is named again, too"
    assert {path: path.stat().st_mtime_ns for path in out.glob("*/bundle.json")} == written, "nothing is trained twice"

    again = tagger(*honest(shop, out, *asked, "--time-by", "year"))
    assert again.code == 2, "another training lies in the folder"
    assert "another time_by" in again.err
    fewer = tagger(*honest(shop, out, "--title", "productDisplayName", "--time-by", "season"))
    assert (fewer.code, "another evidence" in fewer.err) == (2, True), "the bundles learn what is asked for"


def by_name(lines: list[dict[str, Any]], evidence: str | None = "image") -> dict[str, dict[str, Any]]:
    return {line["name"]: line for line in lines if line["evidence"] == evidence}


def items_of(shop: Path, bundle: Path, side: str) -> pd.DataFrame:
    """The items of a side that have a usable image, as the manifest has them."""
    manifest = pd.read_csv(shop / "styles.csv", dtype=str).drop_duplicates("id").set_index("id")
    file = bundle / "report" / {"test": "items.parquet", "control": "control-items.parquet"}[side]
    return manifest.loc[pd.read_parquet(file)["id"]]


def tagged(bundle: Path, shop: Path, items: pd.DataFrame) -> "pd.Series[str]":
    """The article types of items that are tagged with their images, titles and columns."""
    known = {name: items[name].where(items[name].notna(), None).tolist() for name in ("baseColour",)}
    predictions = Tagger.load(str(bundle)).tag(
        [str(shop / "images" / f"{item}.jpg") for item in items.index],
        titles=items["productDisplayName"].where(items["productDisplayName"].notna(), None).tolist(),
        columns=known,
    )
    assert set(predictions["evidence"]) <= {ALL, "image+title", "image+columns", "image"}
    return pd.Series(predictions["articleType"].tolist(), items.index)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (["--recipe", "fast"], "one recipe"),
        (["--seed", 1, "--seed", 2], "one recipe"),
        (["--split", "time"], "leave --split out"),
        (["--title", "name"], "--title name: the manifest has no such column"),
        (["--evidence", "size"], "--evidence size: the manifest has no such column"),
        (["--set", "evidence=[baseColour]"], "take --evidence"),
        (["--brand", "maker"], "--brand maker: the manifest has no such column"),
        (["--set", "time_by=season"], "take --time-by"),
        (["--set", "fast.lr=1"], "fast is not among the recipes"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_a_training(
    tagger: Run, drawn: Drawn, tmp_path: Path, more: list[object], reason: str
) -> None:
    out = tmp_path / "honest"
    outcome = tagger(
        "results", "--honest", "--manifest", drawn.manifest, "--images", drawn.images, "--out", out,
        "--recipe", "cnn-2conv", *more,
    )  # fmt: skip
    assert (outcome.code, reason in outcome.err) == (2, True), outcome.err
    assert not list(out.glob("*/*"))


@pytest.mark.parametrize("flag", ["--title", "--evidence", "--brand"])
def test_titles_columns_and_brands_without_honest_are_refused(
    tagger: Run, drawn: Drawn, tmp_path: Path, flag: str
) -> None:
    outcome = tagger(
        "results", "--manifest", drawn.manifest, "--images", drawn.images, "--out", tmp_path / "r", flag, "year"
    )
    assert (outcome.code, "with --honest alone" in outcome.err) == (2, True), outcome.err
    assert "recipes are compared by the image alone" in outcome.err
