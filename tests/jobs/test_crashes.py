"""Images that end the process which decodes them, as faults in native decoders do."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd

from tagger.catalog.synthetic import Drawn
from tests.exif import in_jpeg

DEADLY = b"this picture ends its decoder"
# Python runs a module of this name first, in the command and in all that it starts: the JPEG decoder gets its fault.
FAULTY_DECODER = f"""
import os, signal
import simplejpeg

sound = simplejpeg.decode_jpeg

def decode_jpeg(data, *arguments, **options):
    if {DEADLY!r} in data:
        os.kill(os.getpid(), signal.SIGSEGV)
    return sound(data, *arguments, **options)

simplejpeg.decode_jpeg = decode_jpeg
"""


def test_exactly_the_images_that_end_workers_fail_and_the_run_goes_on(
    drawn: Drawn, bundle_dir: Path, tmp_path: Path
) -> None:
    """Two images are deadly, one of them twice, and all are in the sample that engines are tried on."""
    (tmp_path / "faulty").mkdir()
    (tmp_path / "faulty/sitecustomize.py").write_text(FAULTY_DECODER)
    files = sorted(f for f in drawn.images.glob("*.jpg") if f.stem not in drawn.truncated)[:20]
    images = tmp_path / "images"
    images.mkdir()
    for number, file in enumerate(files):
        (images / f"{number}.jpg").write_bytes(file.read_bytes())
    for number, source in ((5, 5), (11, 5), (18, 18)):
        (images / f"{number}.jpg").write_bytes(in_jpeg(files[source].read_bytes(), DEADLY, marker=0xFE))
    (tmp_path / "m.csv").write_text("\n".join(["id", *map(str, range(20))]) + "\n")
    command = [
        sys.executable, "-P", "-m", "jobs.cli", "tag", "--manifest", tmp_path / "m.csv", "--images", images,
        "--model", bundle_dir, "--out", tmp_path / "r", "--workers", 1, "--max-failed", "20%", "--json",
    ]  # fmt: skip
    path = f"{tmp_path / 'faulty'}:{Path(__file__).parents[2]}"
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout)["counts"]["errors"] == {"crashed": 3}
    rows = pd.read_parquet(tmp_path / "r/predictions").set_index("id")
    assert len(rows) == 20
    assert set(rows.index[rows["decision"] == "failed"]) == {"5", "11", "18"}
    assert str(rows.loc["5", "errorMessage"]).startswith("looking at the image ended the worker")
    assert rows["imageDigest"].notna().all()
