import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tagger.io.location import Location
from tagger.models.bundle import Bundle
from tests.conftest import Outcome
from tests.indexes import made_index

Run = Callable[..., Outcome]
pytestmark = pytest.mark.usefixtures("embedded_ray")


def test_the_demo_learns_its_catalogue_and_accounts_for_every_oddity(demo_out: Path) -> None:
    for level in Bundle.load(Location(str(demo_out / "bundle"))).card.metrics[0].levels.values():
        assert level.accuracy >= 0.95
    printed = (demo_out.parent / "printed.txt").read_text(encoding="utf-8")
    oddities = printed.partition("What became of the oddities")[2]
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in oddities.splitlines() if "│" in line]
    results = [result.split(", ") for _, result in rows]
    expected = ["repaired", "not_found", "truncated", "blurry_image", "rejected", "rejected"]
    assert all(said in result for said, result in zip(expected, results, strict=True)), results
    assert "unfamiliar" in results[3], "hardly anything is to be seen"
    assert [line for line in printed.splitlines() if line.startswith("Next")] == ["Next, with your own items:"]
    (document,) = (json.loads(line) for line in printed.splitlines() if line.startswith("{"))
    assert (document["out"], list(document["oddities"].values())[-1]) == (str(demo_out), "rejected")
    assert set(document["test"]["levels"]) == {"masterCategory", "articleType"}
    page = (demo_out / "bundle/report/index.html").read_text()
    assert f"{demo_out}/recipe.yaml" in page, "the report names the recipe that was trained by"


def test_bench_measures_searches_in_indexes_that_grow(tagger: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    leaves = {"masterCategory": "Apparel", "articleType": "Shirts"}
    items = pd.DataFrame({"id": [f"{n}" for n in range(500)], "imageUri": "x.jpg", "imageDigest": "d", **leaves})
    made_index(tmp_path / "index", items, rng.standard_normal((500, 32)))
    command = ["bench", "--index", tmp_path / "index", "--scratch", tmp_path]
    outcome = tagger(*command, "--growth", 2000, "--growth", 12_000, "--json")
    assert outcome.code == 0, outcome.err
    small, large = json.loads(outcome.out)["searches"]
    assert (small["vectors"], large["vectors"], large["added"]) == (2000, 12_000, 120)
    assert small["recall"] == 1, "it compares with all"
    assert large["recall"] > 0.9
    assert min(small["queriesPerSecond"], large["queriesPerSecond"]) > 1
    assert large["fileBytes"] > 5 * small["fileBytes"]
    assert [p.name for p in tmp_path.iterdir()] == ["index"], "nothing is left behind"
    assert tagger(*command).code == 2
    assert "there is no index" in tagger("bench", "--index", tmp_path / "no", "--growth", 2000).err


def test_bench_measures_the_job_beside_plain_scripts_on_the_same_images(tagger: Run, tmp_path: Path) -> None:
    outcome = tagger(
        "bench", "--items", 640, "--seconds", 0.2, "--rounds", 1, "--backbone", "small_cnn", "--image-size", "32x24",
        "--growth", 100, "--enlarge", 160, "--workers", 1, "--embeddings", "--s3", "--engine", "openvino-cpu-float32",
        "--plot", tmp_path / "bench.svg", "--scratch", tmp_path, "--json",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    document = json.loads(outcome.out)
    assert (document["images"], document["workers"]) == (640, 1)
    assert set(document["imagesPerSecond"]) == {
        "decode only", "forward only", "end to end", "end to end from S3 (loopback)",
        "plain DataLoader script", "plain Ray Data pipeline",
    }  # fmt: skip
    rates = document["imagesPerSecond"]
    assert min(rates["decode only"], rates["forward only"]) > 0
    # on a busy machine the start may take longer than the work, and then there is no figure
    assert all(rate is None or 0 < rate < 100_000 for rate in rates.values())
    assert 0 < document["engineShare"] < 1
    assert -0.9 < document["embeddingsCost"] < 9
    assert min(document["fixedCostSeconds"], document["rayAloneSeconds"]) > 0.5
    (only,) = document["rounds"]
    share = only["end to end"] and only["end to end"] / only["forward only"]
    assert document["endToEndOfForwardOnly"] == (pytest.approx(share) if share else None)
    of_local = (
        share and only["end to end from S3 (loopback)"] and only["end to end from S3 (loopback)"] / only["end to end"]
    )
    assert document["fromS3OfLocal"] == (pytest.approx(of_local) if of_local else None)
    assert min(document["driverBytes"], document["workerBytes"]) > 50 * 2**20
    assert [g["rows"] for g in document["growth"]] == [100]
    assert (tmp_path / "bench.svg").read_text().lstrip().startswith("<?xml")
    assert [p.name for p in tmp_path.iterdir()] == ["bench.svg"], "nothing is left behind"


def test_bench_measures_the_costs_of_a_run_and_plays_them_on_a_cluster(tagger: Run, tmp_path: Path) -> None:
    """Where others keep this machine busy, the costs may be refused instead; known times test what they are."""
    outcome = tagger(
        "bench", "--items", 1024, "--seconds", 0.2, "--rounds", 1, "--backbone", "small_cnn", "--image-size", "64x48",
        "--workers", 1, "--s3", "--engine", "torch-cpu-float32", "--scratch", tmp_path, "--cluster", "4x8", "--rows",
        "1e6", "--request-ms", 20, "--json",
    )  # fmt: skip
    assert list(tmp_path.iterdir()) == [], "nothing is left behind"
    if outcome.code:
        assert outcome.code == 1 and "the machine is too busy. Run it again" in outcome.err, outcome.err
        assert "Round 7, since" in outcome.err, "only after all rounds"
        return
    document = json.loads(outcome.out)
    costs = document["costs"]
    assert "small_cnn 64x48 on torch-cpu-float32" in costs["measuredOn"]
    image = costs["image"]
    assert image["forward"] > 0 < image["decode"]
    assert sum(image[name] for name in ("forward", "decode", "rest")) > 0
    assert isinstance(image["fetch"], float)
    assert (
        min(costs[name] for name in ("start", "stageRow", "part", "handOut", "askImage", "askCall", "finishPart")) > 0
    )
    assert costs["gpuImagesPerSecond"] is None
    (run,) = document["runs"]
    assert run["rows"] == 1_000_000
    assert run["phases"]["staging"] >= 1_000_000 * costs["stageRow"]
