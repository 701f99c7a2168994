import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Outcome

Run = Callable[..., Outcome]
pytestmark = pytest.mark.usefixtures("embedded_ray")


def test_the_demo_learns_its_catalogue_and_accounts_for_every_oddity(tagger: Run, tmp_path: Path) -> None:
    outcome = tagger("demo", "--out", tmp_path / "demo", "--json")
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    for level in found["test"]["levels"].values():
        assert level["accuracy"] >= 0.95
    assert [v.split(",")[-1].strip() for v in found["oddities"].values()] == [
        "repaired", "not_found", "truncated", "blurry_image", "rejected", "rejected",
    ]  # fmt: skip
    assert (tmp_path / "demo/bundle/report/index.html").exists()


def test_bench_measures_the_job_beside_plain_scripts_on_the_same_images(tagger: Run, tmp_path: Path) -> None:
    outcome = tagger(
        "bench", "--items", 2048, "--backbone", "small_cnn", "--image-size", "32x24", "--rounds", 1, "--growth", 600,
        "--enlarge", 120, "--workers", 1, "--plot", tmp_path / "bench.svg", "--scratch", tmp_path, "--json",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    assert (found["images"], found["workers"]) == (2048, 1)
    assert set(found["imagesPerSecond"]) == {
        "decode only", "forward only", "end to end", "plain DataLoader script", "plain Ray Data pipeline",
    }  # fmt: skip
    assert min(found["imagesPerSecond"].values()) > 0
    assert 0 < found["engineShare"] < 1
    assert found["fixedCostSeconds"] > found["rayAloneSeconds"] > 0.5
    assert found["endToEndOfForwardOnly"] == pytest.approx(
        found["rounds"][0]["end to end"] / found["rounds"][0]["forward only"]
    )
    assert min(found["driverBytes"], found["workerBytes"]) > 50 * 2**20
    assert [g["rows"] for g in found["growth"]] == [600]
    assert (tmp_path / "bench.svg").read_text().lstrip().startswith("<?xml")
    assert [p.name for p in tmp_path.iterdir()] == ["bench.svg"], "nothing is left behind"
