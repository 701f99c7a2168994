"""Runs over several processes and nodes: killed, lost, or with the engines elsewhere, the result is the same."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tagger.demo.drawn_catalogue import Drawn
from tests.kill_runs import TARGETS, predictions, run

pytestmark = pytest.mark.slow


def test_killed_runs_are_repeated_to_the_same_bytes(drawn: Drawn, bundle_dir: Path, tmp_path: Path) -> None:
    """Three of the twenty that `python -m tests.kill_runs` kills: the command, a worker, the raylet."""
    command = [
        sys.executable, "-m", "tagger.jobs.tag", "--manifest", str(drawn.manifest), "--images", str(drawn.images),
        "--model", str(bundle_dir), "--workers", "2", "--part-rows", "16", "--engine", "torch-cpu-float32",
    ]  # fmt: skip
    killed = run(command, tmp_path, kills=3, seed=11)
    assert [k.target for k in killed] == list(TARGETS)
    assert all(k.calls <= 2 for k in killed)


def test_a_cluster_that_loses_a_node_finishes_with_the_same_result(
    drawn: Drawn, bundle_dir: Path, tmp_path: Path
) -> None:
    command = [
        sys.executable, "-m", "tests.lose_a_node", "--manifest", str(drawn.manifest), "--images", str(drawn.images),
        "--model", str(bundle_dir), "--out", str(tmp_path),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.strip().splitlines()[-1])
    assert found["rows"] == drawn.items
    assert found["equal"]
    assert found["nodes"] == 1
    assert found["lostAfterParts"][0] < 18, "the node was lost in the middle"


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
