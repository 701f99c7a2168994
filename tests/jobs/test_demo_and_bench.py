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


def test_bench_measures_three_things_on_the_same_images(tagger: Run) -> None:
    outcome = tagger("bench", "--items", 512, "--backbone", "small_cnn", "--image-size", "32x24", "--json")
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    assert found["images"] == 512
    assert set(found["imagesPerSecond"]) == {"decode", "forward", "end to end"}
    assert min(found["imagesPerSecond"].values()) > 0
    assert found["startSeconds"] > 0
