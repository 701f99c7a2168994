"""What `tagger bench --cluster` prints of costs that were measured before, and what it refuses."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Outcome
from tests.jobs.benchmark.test_cluster_model import costs

Run = Callable[..., Outcome]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """Costs in a file: an image takes a millisecond, a GPU is not known."""
    known = costs(0.0007, decode=0.0002, rest=0.0001, start=10, stage_row=1e-5, finish_part=1e-3, image_bytes=2500)
    (tmp_path / "costs.json").write_text(known.model_dump_json(by_alias=True))
    return tmp_path / "costs.json"


def test_costs_are_played_for_several_sizes_with_what_bounds_each_and_its_price(tagger: Run, saved: Path) -> None:
    command = ["bench", "--cluster", "2x8", "--costs", saved, "--rows", "1e4", "--rows", 10**6]
    shown = tagger(*command, "--price-per-node-hour", 3.6)
    assert shown.code == 0, shown.err
    assert "2 nodes of 8 cores, 15 workers" in shown.out
    assert "10,000 rows, 11 s: The start of Ray and of the workers bounds the run, 9" in shown.out
    assert "1,000,000 rows, 87 s: The workers' CPUs bound the run. Tagging takes 77% of its time" in shown.out
    assert "This is a model, not a measurement of a cluster." in shown.out
    document = json.loads(tagger(*command, "--price-per-node-hour", 3.6, "--json").out)
    small, large = document["runs"]
    assert (small["boundBy"], large["boundBy"]) == ("start", "workers' CPUs")
    assert large["seconds"] == pytest.approx(sum(large["phases"].values()))
    assert large["pricePerMillionImages"] == pytest.approx(2 * 3.6 * large["seconds"] / 3600)
    assert document["isSimulated"] and document["assumed"]
    assert document["cluster"]["networkBytesPerSecond"] is None


def test_costs_of_a_busy_machine_are_said_to_be_too_high(tagger: Run, saved: Path) -> None:
    command = ["bench", "--cluster", "2x8", "--rows", "1e6", "--costs", saved]
    assert "too high" not in tagger(*command).out
    saved.write_text(json.dumps({**json.loads(saved.read_text()), "othersCpu": 0.9}))
    assert "too high: other processes used 90% of the CPUs" in tagger(*command).out


def test_what_json_printed_is_read_again_and_gives_the_same(tagger: Run, saved: Path, tmp_path: Path) -> None:
    command = ["bench", "--cluster", "4x4", "--rows", "1e5", "--json", "--costs"]
    first = tagger(*command, saved).out
    (tmp_path / "printed.json").write_text(first)
    assert tagger(*command, tmp_path / "printed.json").out == first


def test_gpus_are_played_with_the_rate_that_was_given_only(tagger: Run, saved: Path) -> None:
    command = ["bench", "--cluster", "1x16", "--costs", saved, "--rows", "1e7", "--gpus", 1]
    refused = tagger(*command)
    assert refused.code == 2
    assert "--gpus: nobody has measured the forward pass on a GPU; give --gpu-rate" in refused.err
    shown = tagger(*command, "--gpu-rate", 20_000)
    assert "The GPUs bound the run" in tagger(*command, "--gpu-rate", 20_000).out
    assert "The rate of a GPU was given" in shown.out
    assert "The workers' CPUs bound the run" in tagger(*command, "--gpu-rate", 200_000).out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--rows", "1e6"], "rows describes a run on a cluster: name it with cluster"),
        (["--cluster", "4x4"], "say how many rows the run has"),
        (["--cluster", "16", "--rows", "1e6"], "'16' is not NODESxCORES, such as 64x16"),
        (["--cluster", "4x4", "--rows", "1.5"], "rows"),
        (["--cluster", "4x4", "--rows", "1e6", "--gpu-rate", 5], "say how many each node has with gpus"),
        (["--cluster", "4x4", "--rows", "1e6", "--request-ms", 5], "are of images in S3: add s3"),
        (["--cluster", "4x4", "--rows", "1e6", "--device", "cuda"], "give the rate of a GPU with gpu_rate"),
        (["--cluster", "4x4", "--rows", "1e6", "--growth", 1000], "leave out index, growth, plot and embeddings"),
    ],
)
def test_what_cannot_be_played_is_refused_with_the_way_out(tagger: Run, arguments: list[object], said: str) -> None:
    refused = tagger("bench", *arguments)
    assert refused.code == 2
    assert said in " ".join(refused.err.split())


def test_costs_that_are_missing_or_broken_are_named(tagger: Run, saved: Path, tmp_path: Path) -> None:
    command = ["bench", "--cluster", "4x4", "--rows", "1e6", "--costs"]
    assert "--costs: these costs" not in tagger(*command, saved).err
    refused = tagger(*command, saved, "--s3")
    assert (refused.code, "these costs are of local files" in refused.err) == (2, True)
    assert "cannot be read: No such file or directory" in tagger(*command, tmp_path / "no.json").err
    (tmp_path / "text.json").write_text("tagger")
    assert "is not JSON" in tagger(*command, tmp_path / "text.json").err
    (tmp_path / "part.json").write_text(json.dumps({**json.loads(saved.read_text()), "stageRow": -1}))
    assert "stageRow: Input should be greater than or equal to 0" in tagger(*command, tmp_path / "part.json").err
