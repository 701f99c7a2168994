"""How much of a recipe's accuracy is real: one recipe on several splits, beside guesses, on one page."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tagger.demo.drawn_catalogue import Drawn
from tests.conftest import Outcome

Run = Callable[..., Outcome]
pytestmark = pytest.mark.usefixtures("embedded_ray")


@pytest.fixture
def shop(drawn: Drawn, tmp_path: Path) -> Path:
    """The drawn catalogue with a brand for most items, and a copy of every eighth."""
    folder = tmp_path / "shop"
    shutil.copytree(drawn.images, folder / "images")
    with drawn.manifest.open(encoding="utf-8", newline="") as file:
        heading, *rows = csv.reader(file)
    shown = [[*row, "" if n % 10 == 0 else f"Brand {n // 4}"] for n, row in enumerate(rows) if len(row) == len(heading)]
    for cells in shown[::8]:
        image = folder / "images" / f"{cells[0]}.jpg"
        if image.exists():
            shutil.copy(image, image.with_stem(f"9{cells[0]}"))
            shown.append([f"9{cells[0]}", *cells[1:]])
    with (folder / "styles.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([[*heading, "brand"], *shown])
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
    command = honest(shop, out, "--title", "productDisplayName", "--brand", "brand", "--time-by", "season", "--json")
    outcome = tagger(*command)
    assert outcome.code == 0, outcome.err
    said = json.loads(outcome.out)
    splits = by_name(said["splits"])
    assert list(splits) == ["random", "copies apart"]
    for name, line in splits.items():
        card = json.loads((out / name.replace(" ", "-") / "bundle.json").read_text())
        measured = card["metrics"][0]["levels"]["articleType"]
        assert line["articleType"] == measured["accuracy"]
        assert line["articleTypeLow"] < line["articleType"] < line["articleTypeHigh"]
        assert line["calibrationErrorByChance"] == pytest.approx(measured["calibrationErrorByChance"])
        assert line["trainItems"] == card["provenance"]["splitItems"]["train"]

    guesses = by_name(said["guesses"])
    assert guesses["the model"]["articleType"] == splits["copies apart"]["articleType"]
    assert {line["items"] for line in guesses.values()} == {splits["copies apart"]["items"]}
    items = pd.read_parquet(out / "copies-apart/report/items.parquet")
    labels = pd.read_csv(shop / "styles.csv", dtype=str).set_index("id")["articleType"]
    train = sides_of(out / "copies-apart").loc[lambda sides: sides == "train"].index
    most = labels[train].value_counts().sort_index().idxmax()
    assert guesses["the most frequent type"]["articleType"] == (items["articleTypeTrue"] == most).mean()
    assert guesses["the title"]["articleType"] > guesses["the title without its type"]["articleType"]

    assert [target["target"] for target in said["targets"]] == [0.95, 0.98, 0.99]
    assert {(target["side"], target["accepted"]) for target in said["targets"]} == {("control", 0)}
    brands = pd.read_csv(shop / "styles.csv", dtype=str).set_index("id")["brand"]
    apart = sides_of(out / "brands-apart")
    unseen = brands[apart.index[apart == "test"]].dropna()
    assert not set(unseen) & set(brands[apart.index[apart == "train"]].dropna())
    assert said["brands"][0]["items"] <= len(unseen), "items without a usable image or a brand do not count"
    assert [one["figure"] for one in said["leftOut"]] == ["by time"], "the shop has years, and no seasons"
    assert "the manifest has no column season" in said["leftOut"][0]["why"]
    assert "Left out: by time: the manifest has no column season" in outcome.err

    page = (out / "honest.md").read_text()
    assert "items on another side than the random split" in page, "the shop has copies"
    assert f"{100 * splits['random']['articleType']:.1f}% (" in page
    sections = ("splits", "guesses", "targets", "brands", "leftOut")
    assert len(pd.read_csv(out / "honest.csv")) == sum(len(said[name]) for name in sections)
    written = {path: path.stat().st_mtime_ns for path in out.glob("*/bundle.json")}
    assert tagger(*command).code == 0
    assert {path: path.stat().st_mtime_ns for path in out.glob("*/bundle.json")} == written, "nothing is trained twice"

    again = tagger(*honest(shop, out, "--time-by", "year"))
    assert again.code == 2, "another training lies in the folder"
    assert "another time_by" in again.err


def by_name(lines: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {line["name"]: line for line in lines}


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (["--recipe", "fast"], "one recipe"),
        (["--seed", 1, "--seed", 2], "one recipe"),
        (["--split", "time"], "leave --split out"),
        (["--title", "name"], "--title name: the manifest has no such column"),
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


def test_titles_and_brands_without_honest_are_refused(tagger: Run, drawn: Drawn, tmp_path: Path) -> None:
    outcome = tagger(
        "results", "--manifest", drawn.manifest, "--images", drawn.images, "--out", tmp_path / "r", "--title", "name"
    )
    assert (outcome.code, "with --honest alone" in outcome.err) == (2, True), outcome.err
