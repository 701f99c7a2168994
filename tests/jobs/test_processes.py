"""Runs over several processes and nodes: killed, lost, or with the engines elsewhere, the result is the same."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tagger.demo.drawn_catalogue import Drawn
from tagger.jobs import tag
from tagger.jobs.shell.console import Console
from tagger.schemas.configs.tag import TagConfig
from tests.kill_runs import TARGETS, Moment, kill_and_repeat, predictions

pytestmark = pytest.mark.slow
ENGINE: Final = "openvino-cpu-float32"
PART_ROWS = 16
COPIES = 4


@pytest.fixture(scope="module")
def manifest(drawn: Drawn, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The drawn items, each under several ids: so many parts that a run can be killed again and again."""
    files = [*(image.name for image in sorted(drawn.images.glob("*.jpg")) * COPIES), "missing.jpg"]
    file = tmp_path_factory.mktemp("manifest") / "m.csv"
    file.write_text("\n".join(["id,file", *(f"{n},{name}" for n, name in enumerate(files))]) + "\n")
    return file


@pytest.fixture(scope="module")
def undisturbed(
    embedded_ray: None, manifest: Path, drawn: Drawn, bundle_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A run to compare with."""
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    config = TagConfig(
        manifest=str(manifest), images=f"{drawn.images}/{{file}}", model=str(bundle_dir), out=str(out), engine=ENGINE,
        part_rows=PART_ROWS,
    )  # fmt: skip
    assert tag.run(config, Console(as_json=True, silent=True)) == 0
    return out


def test_a_run_that_is_killed_again_and_again_comes_to_the_same_bytes(
    undisturbed: Path, manifest: Path, drawn: Drawn, bundle_dir: Path, tmp_path: Path
) -> None:
    """Three kills as `python -m tests.kill_runs` does them: of the command, a worker, the raylet."""
    command = [
        sys.executable, "-m", "tagger.jobs.tag", "--manifest", str(manifest), "--images", f"{drawn.images}/{{file}}",
        "--model", str(bundle_dir), "--workers", "2", "--part-rows", str(PART_ROWS), "--engine", ENGINE,
    ]  # fmt: skip
    moments = [Moment(target, after) for target, after in zip(TARGETS, (5, 20, 35), strict=True)]
    killed = kill_and_repeat(command, tmp_path / "run", *moments)
    assert all(k.calls <= 2 for k in killed), killed
    assert [k.redone for k in killed] == [0, 0, 0], "parts that were there are left alone"
    rows = predictions(tmp_path / "run")
    assert rows["id"].to_pylist() == sorted(set(rows["id"].to_pylist()))
    assert rows.equals(predictions(undisturbed))


def test_a_run_that_is_killed_as_it_touches_a_file_comes_to_the_same_files() -> None:
    """Some of the kills of `python -m tests.crash_points`: wherever a run writes, renames or deletes."""
    command = [sys.executable, "-m", "tests.crash_points", "--kills", "12"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-3000:]
    document = json.loads(done.stdout)
    assert document["allEqual"]
    assert document["driver"] > 0
    assert document["worker"] > 0


def test_a_cluster_that_loses_a_node_finishes_with_the_same_result(
    undisturbed: Path, manifest: Path, drawn: Drawn, bundle_dir: Path, tmp_path: Path
) -> None:
    command = [
        sys.executable, "-m", "tests.lose_a_node", "--manifest", str(manifest), "--images", f"{drawn.images}/{{file}}",
        "--model", str(bundle_dir), "--out", str(tmp_path), "--engine", ENGINE, "--part-rows", str(PART_ROWS),
        "--undisturbed", str(undisturbed),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    document = json.loads(done.stdout.strip().splitlines()[-1])
    parts = len(list((undisturbed / "predictions").glob("part-*.parquet")))
    assert document["rows"] == len(manifest.read_text().splitlines()) - 1
    assert document["equal"]
    assert document["nodes"] == 1
    assert document["lostAfterParts"][0] < parts, "the node was lost in the middle"


def test_engines_elsewhere_predict_what_workers_predict_by_themselves(
    drawn: Drawn, bundle_dir: Path, tmp_path: Path
) -> None:
    """The way of the data with GPUs, on CPUs: decoding workers send uint8 batches to engines of their own."""
    command = [sys.executable, "-m", "tests.split_topology", drawn.manifest, drawn.images, bundle_dir, tmp_path]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout.strip().splitlines()[-1])["parts"] >= 4
    split, fused = predictions(tmp_path / "split"), predictions(tmp_path / "fused")
    assert len(split) == drawn.items
    assert split.equals(fused)


def test_a_run_goes_on_when_engines_on_gpus_and_their_nodes_are_lost_and_others_come(
    drawn: Drawn, bundle_dir: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "tests.lose_gpus", drawn.manifest, drawn.images, bundle_dir, tmp_path]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr[-3000:]
    document = json.loads(done.stdout.strip().splitlines()[-1])
    assert [fault.partition(" after")[0] for fault in document["happened"]] == [
        "kill_an_engine", "lose", "add_one", "lose",
    ]  # fmt: skip
    assert document["parts"] >= 30
    lossy, calm = predictions(tmp_path / "lossy"), predictions(tmp_path / "calm")
    assert len(lossy) == drawn.items
    assert lossy.equals(calm)
