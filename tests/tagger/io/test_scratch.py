"""A temporary folder without room, as a limit of the size of files makes one for a process."""

import subprocess
import sys
from pathlib import Path

import pytest

LIMITED = """
import resource, sys
import numpy as np
from pathlib import Path
from tagger.engines.choose import choose_engine
from tagger.errors import WriteError
from tagger.flow.seen_ids import SeenIds
from tagger.io.location import Location
from tagger.models.bundle import Bundle
from tagger.training.examples import Examples

def engine():
    bundle = Bundle.load(Location(sys.argv[2]))
    images = np.random.default_rng(0).integers(0, 256, (256, 48, 36, 3), np.uint8)
    return choose_engine(bundle, "auto", "cpu", 16, lambda: [images])[0].name

def ids():
    ids = [f"item {n}" for n in range(20_000)]
    return SeenIds(memory_kib=100).add(ids, ids)

def examples():
    return len(Examples({"image": np.zeros((9, 99, 99, 3), np.uint8), "leaf": np.zeros(9)} for _ in range(9)))

work = {"engine": engine, "ids": ids, "examples": examples}[sys.argv[1]]
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
try:
    print(work())
except WriteError as error:
    print(error)
"""


@pytest.mark.parametrize("work", ["engine", "ids", "examples"])
def test_a_temporary_folder_without_room_is_named_with_the_way_out(work: str, bundle_dir: Path) -> None:
    """Another engine would predict something else, and slower."""
    done = subprocess.run([sys.executable, "-c", LIMITED, work, str(bundle_dir)], capture_output=True, text=True)
    assert "has no room for temporary files" in done.stdout, done.stdout + done.stderr
    assert "name another with TMPDIR" in done.stdout
