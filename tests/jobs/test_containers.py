"""A run within the limits of a small container."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tagger.demo.drawn_catalogue import Drawn
from tests.builders import predictions_by_id
from tests.control_groups import control_groups

MOST_S = 300


@pytest.mark.slow
def test_half_a_core_and_a_gigabyte_of_memory_are_enough_to_tag(trained: Path, drawn: Drawn, tmp_path: Path) -> None:
    out = tmp_path / "run"
    arguments = ["tag", "--manifest", drawn.manifest, "--images", drawn.images, "--model", trained, "--out", out]
    with control_groups(cores=0.5, memory_bytes=2**30) as enter:
        code = f"{enter}\nimport sys\nfrom tagger.jobs.shell.cli import main\nsys.exit(main({[*map(str, arguments)]}))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=MOST_S, check=False)
    assert done.returncode == 0, done.stderr
    rows = predictions_by_id(out)
    counts = json.loads((out / "run.json").read_text())["counts"]
    assert counts["decisions"] == Counter(rows["decision"])
    assert counts["rows"] == len(rows) + counts["rejects"] == drawn.items + 2
