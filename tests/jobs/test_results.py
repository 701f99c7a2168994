"""Recipes side by side: every one trained, averaged where asked, and in the table."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tagger.demo.drawn_catalogue import Drawn
from tests.conftest import Outcome

Run = Callable[..., Outcome]
pytestmark = pytest.mark.usefixtures("embedded_ray")


def test_recipes_and_their_average_stand_in_one_table(tagger: Run, drawn: Drawn, tmp_path: Path) -> None:
    command = [
        "results", "--manifest", drawn.manifest, "--images", drawn.images, "--out", tmp_path / "r",
        "--recipe", "cnn-3conv-adam", "--recipe", "cnn-3conv-sgd", "--combine", "cnn-3conv-adam+cnn-3conv-sgd",
        "--min-items", 8, "--val", 0.15, "--test", 0.15, "--set", "image_size=48x36", "--set", "batch_size=16",
        "--set", "epochs=2", "--set", "cnn-3conv-sgd.epochs=1", "--json",
    ]  # fmt: skip
    outcome = tagger(*command)
    assert outcome.code == 0, outcome.err
    rows = {r["recipe"]: r for r in json.loads(outcome.out)["recipes"]}
    assert list(rows) == ["cnn-3conv-adam", "cnn-3conv-sgd", "cnn-3conv-adam+cnn-3conv-sgd"]
    card = json.loads((tmp_path / "r/cnn-3conv-sgd-0/bundle.json").read_text())
    assert len(card["provenance"]["epochs"]) == 1
    accuracy = card["metrics"][0]["levels"]["articleType"]["accuracy"]
    assert rows["cnn-3conv-sgd"]["articleType"] == f"{100 * accuracy:.2f}"
    both = json.loads((tmp_path / "r/cnn-3conv-adam-and-cnn-3conv-sgd-0/bundle.json").read_text())
    assert len(both["members"]) == 2
    assert pd.read_csv(tmp_path / "r/results.csv")["recipe"].tolist() == list(rows)
    page = (tmp_path / "r/results.md").read_text()
    assert f"| cnn-3conv-sgd | {rows['cnn-3conv-sgd']['masterCategory']}% | {100 * accuracy:.2f}% | " in page
    assert "- cnn-3conv-sgd: image_size 48x36, batch_size 16, epochs 1" in page

    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "r").glob("*/bundle.json")}
    assert tagger(*command).code == 0
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "r").glob("*/bundle.json")} == before, "nothing is done twice"

    shutil.rmtree(tmp_path / "r/cnn-3conv-sgd-0")
    changed = [*command[:-1], "--set", "cnn-3conv-sgd.lr=0.003", "--json"]
    assert tagger(*changed).code == 0
    anew = json.loads((tmp_path / "r/cnn-3conv-adam-and-cnn-3conv-sgd-0/bundle.json").read_text())
    assert anew["members"][0]["modelId"] == both["members"][0]["modelId"]
    assert anew["members"][1]["modelId"] != both["members"][1]["modelId"], "an average goes with its members"


def test_one_recipe_is_averaged_over_seeds_that_share_their_sides(tagger: Run, drawn: Drawn, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(tagger("recipes", "cnn-2conv").out)
    command = [
        "results", "--manifest", drawn.manifest, "--images", drawn.images, "--out", tmp_path / "r", "--recipe",
        recipe, "--seed", 1, "--seed", 2, "--combine", recipe, "--min-items", 8, "--set", "image_size=32x24",
        "--set", "epochs=1", "--json",
    ]  # fmt: skip
    alone = tagger(*command)
    assert (alone.code, "--split-seed" in alone.err) == (2, True)
    outcome = tagger(*command, "--split-seed", 5)
    assert outcome.code == 0, outcome.err
    assert [r["recipe"] for r in json.loads(outcome.out)["recipes"]] == ["mine.yaml", "mine.yaml, average of 2 seeds"]
    cards = [json.loads((tmp_path / f"r/mine-{n}/bundle.json").read_text()) for n in ("1", "2", "1-2")]
    assert cards[0]["modelId"] != cards[1]["modelId"]
    assert len(cards[2]["members"]) == 2
    assert [c["metrics"][0]["levels"]["articleType"]["items"] for c in cards] == [
        cards[0]["metrics"][0]["levels"]["articleType"]["items"]
    ] * 3, "all have the same test items"


def test_an_average_of_what_is_not_trained_is_refused(tagger: Run, drawn: Drawn, tmp_path: Path) -> None:
    outcome = tagger(
        "results", "--manifest", drawn.manifest, "--images", drawn.images, "--out", tmp_path / "r",
        "--recipe", "fast", "--combine", "fast+best",
    )  # fmt: skip
    assert (outcome.code, "best is not among the recipes" in outcome.err) == (2, True)
