"""A run of a trained bundle is judged as the bundle was, and compared with it."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tagger.demo.drawn_catalogue import Drawn
from tagger.io.location import Location
from tagger.models.bundle import Bundle
from tests.conftest import Outcome

Run = Callable[..., Outcome]
pytestmark = pytest.mark.usefixtures("embedded_ray")


def test_evaluating_the_run_on_the_test_split_gives_the_bundles_own_metrics(
    tagger: Run, run_dir: Path, trained: Path, drawn: Drawn, tmp_path: Path
) -> None:
    outcome = tagger(
        "evaluate", "--run", run_dir, "--manifest", drawn.manifest, "--out", tmp_path / "e", "--model", trained,
        "--split", "test", "--json",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    document = json.loads(outcome.out)
    expected = Bundle.load(Location(str(trained))).card.metrics[0].model_dump(mode="json", by_alias=True)
    ours, theirs = document["levels"]["articleType"], expected["levels"]["articleType"]
    bins = "expectedCalibrationError"  # of few items, where the engine's last digits move one into the next bin
    assert ours.pop(bins) == pytest.approx(theirs.pop(bins), abs=0.05)
    assert ours.pop("calibrationErrorByChance") == pytest.approx(theirs.pop("calibrationErrorByChance"), abs=0.01)
    assert ours == pytest.approx(theirs, abs=1e-6)
    assert (tmp_path / "e/index.html").exists()


def test_evaluating_counts_what_it_leaves_out(tagger: Run, run_dir: Path, trained: Path, tmp_path: Path) -> None:
    rows = [f"{i},Apparel,Spacesuits" for i in range(10_010, 10_020)]
    (tmp_path / "m.csv").write_text("\n".join(["id,masterCategory,articleType", "10001,Apparel,Tshirts", *rows]) + "\n")
    arguments = ["evaluate", "--run", run_dir, "--manifest", tmp_path / "m.csv", "--out", tmp_path / "e", "--json"]
    document = json.loads(tagger(*arguments, "--include-trained").out)
    assert document["levels"]["articleType"]["items"] == 1
    assert document["outsideTaxonomy"] + document["failed"] == 10
    (tmp_path / "none.csv").write_text("id,kind\n1,x\n")
    missing = tagger("evaluate", "--run", run_dir, "--manifest", tmp_path / "none.csv", "--out", tmp_path / "e")
    assert missing.code == 3
    assert "no column 'masterCategory'" in missing.err


def test_a_run_is_compared_with_a_bundle_and_its_mistakes_are_shown(
    tagger: Run, run_dir: Path, trained: Path, drawn: Drawn, tmp_path: Path
) -> None:
    outcome = tagger(
        "evaluate", "--run", run_dir, "--manifest", drawn.manifest, "--images", drawn.images, "--against", trained,
        "--out", tmp_path / "e", "--json",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    document = json.loads(outcome.out)
    test_items = Bundle.load(Location(str(trained))).card.provenance.split_items["test"]
    assert document["against"]["articleType"]["items"] == test_items
    assert document["against"]["articleType"]["only_first"] <= 1  # the same model, by another engine
    page = (tmp_path / "e/index.html").read_text()
    mistakes = pd.read_parquet(tmp_path / "e/items.parquet")
    mistakes = mistakes[mistakes["articleType"] != mistakes["articleTypeTrue"]]
    assert page.count("data:image/jpeg;base64,") >= min(len(mistakes), 24)
    assert "Compared with bundle" in page
    groups = pd.read_csv(tmp_path / "e/groups.csv")
    assert set(groups["kind"]) == {"by frequency of the class", "by blur", "by time"}
    judged = ["evaluate", "--run", run_dir, "--manifest", drawn.manifest]
    no_such = tagger(*judged, "--against", tmp_path, "--out", tmp_path)
    assert (no_such.code, "--against" in no_such.err) == (3, True)
