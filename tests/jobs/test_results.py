"""Recipes side by side: every one trained, averaged where asked, and in the table."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tagger.demo.drawn_catalogue import Drawn
from tagger.io.location import Location
from tagger.models.bundle import Bundle
from tests.conftest import Outcome

Run = Callable[..., Outcome]
pytestmark = pytest.mark.usefixtures("embedded_ray")


def test_recipes_seeds_and_their_averages_stand_in_one_table(tagger: Run, drawn: Drawn, tmp_path: Path) -> None:
    out, mine = tmp_path / "r", tmp_path / "mine.yaml"
    mine.write_text(tagger("recipes", "cnn-2conv").out)
    command = [
        "results", "--manifest", drawn.manifest, "--images", drawn.images, "--out", out, "--recipe", mine,
        "--min-items", 8, "--val", 0.15, "--test", 0.15, "--set", "image_size=32x24", "--set", "batch_size=16",
        "--set", "epochs=1", "--json",
    ]  # fmt: skip
    seeds = ["--seed", 1, "--seed", 2, "--combine", mine]
    alone = tagger(*command, *seeds)
    assert (alone.code, "--split-seed" in alone.err) == (2, True)
    command += ["--split-seed", 5]
    outcome = tagger(*command, *seeds)
    assert outcome.code == 0, outcome.err
    assert [r["recipe"] for r in json.loads(outcome.out)["recipes"]] == ["mine.yaml", "mine.yaml, average of 2 seeds"]
    one, two, average = (card_of(out / f"mine-{n}") for n in ("1", "2", "1-2"))
    assert one["modelId"] != two["modelId"]
    assert [m["modelId"] for m in average["members"]] == [one["modelId"], two["modelId"]]
    assert len({c["metrics"][0]["levels"]["articleType"]["items"] for c in (one, two, average)}) == 1, (
        "the same test items"
    )

    before = written_at(out)
    command += [
        "--seed", 1, "--recipe", "cnn-3conv-sgd", "--combine", f"{mine}+cnn-3conv-sgd",
        "--set", "cnn-3conv-sgd.epochs=2", "--set", "cnn-3conv-sgd.unbalance=8",
    ]  # fmt: skip
    outcome = tagger(*command)
    assert outcome.code == 0, outcome.err
    rows = {r["recipe"]: r for r in json.loads(outcome.out)["recipes"]}
    assert list(rows) == ["mine.yaml", "cnn-3conv-sgd", "mine.yaml+cnn-3conv-sgd"]
    assert before.items() <= written_at(out).items(), "nothing is done twice"
    sgd, both = card_of(out / "cnn-3conv-sgd-1"), card_of(out / "mine-and-cnn-3conv-sgd-1")
    assert len(sgd["provenance"]["epochs"]) == 2
    whole, thinned = (c["provenance"]["splitItems"] for c in (one, sgd))
    assert thinned == whole | {"train": thinned["train"]}, "--unbalance takes no item of the other sides"
    assert thinned["train"] < 0.7 * whole["train"]
    accuracy = sgd["metrics"][0]["levels"]["articleType"]["accuracy"]
    assert rows["cnn-3conv-sgd"]["articleType"] == f"{100 * accuracy:.2f}"
    assert len(both["members"]) == 2
    assert pd.read_csv(out / "results.csv")["recipe"].tolist() == list(rows)
    page = (out / "results.md").read_text()
    assert page.startswith("# Results\n\nBest: ") and "test items have the right article type." in page
    assert f"| cnn-3conv-sgd | {rows['cnn-3conv-sgd']['masterCategory']}% | {100 * accuracy:.2f}% | " in page
    assert "- cnn-3conv-sgd: image_size 32x24, batch_size 16, epochs 2" in page

    other = Bundle.load(Location(str(out / "cnn-3conv-sgd-1")))
    other.changed(blur_threshold=12.0).save(Location(str(out / "cnn-3conv-sgd-1")))
    assert tagger(*command).code == 0
    anew = card_of(out / "mine-and-cnn-3conv-sgd-1")
    assert anew["members"][0]["modelId"] == both["members"][0]["modelId"]
    assert anew["members"][1]["modelId"] != both["members"][1]["modelId"], "an average goes with its members"


def card_of(folder: Path) -> dict[str, Any]:
    """The card of a bundle, as it is written."""
    card: dict[str, Any] = json.loads((folder / "bundle.json").read_text())
    return card


def written_at(folder: Path) -> dict[Path, int]:
    """When each bundle in a folder was written, in nanoseconds."""
    return {p: p.stat().st_mtime_ns for p in folder.glob("*/bundle.json")}


def test_an_average_of_what_is_not_trained_is_refused(tagger: Run, drawn: Drawn, tmp_path: Path) -> None:
    outcome = tagger(
        "results", "--manifest", drawn.manifest, "--images", drawn.images, "--out", tmp_path / "r",
        "--recipe", "fast", "--combine", "fast+best",
    )  # fmt: skip
    assert (outcome.code, "best is not among the recipes" in outcome.err) == (2, True)
