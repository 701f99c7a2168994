"""Images that end the process which decodes them, as faults in native decoders do."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tagger.demo.drawn_catalogue import Drawn
from tests.exif import in_jpeg

pytestmark = pytest.mark.slow
DEADLY = b"this picture ends its decoder"
ITEMS = 12
# Python runs a module of this name first, in the command and in all that it starts: the JPEG decoder gets its fault.
FAULTY_DECODER = f"""
import os, signal
import simplejpeg

sound = simplejpeg.decode_jpeg

def decode_jpeg(data, *arguments, **options):
    if {DEADLY!r} in data:
        with open(os.environ["DEATHS"], "a") as deaths:
            deaths.write("x")
        os.kill(os.getpid(), signal.SIGSEGV)
    return sound(data, *arguments, **options)

simplejpeg.decode_jpeg = decode_jpeg
"""


def test_exactly_the_images_that_end_workers_fail_and_the_run_and_the_next_night_go_on(
    drawn: Drawn, bundle_dir: Path, tmp_path: Path
) -> None:
    """Two images are deadly, one of them twice, and all are in the sample that engines are tried on.

    The next night knows them, and does not look at them again, also under another id.
    """
    (tmp_path / "faulty").mkdir()
    (tmp_path / "faulty/sitecustomize.py").write_text(FAULTY_DECODER)
    files = sorted(f for f in drawn.images.glob("*.jpg") if f.stem not in drawn.truncated)[:ITEMS]
    images = tmp_path / "images"
    images.mkdir()
    for number, file in enumerate(files):
        (images / f"{number}.jpg").write_bytes(file.read_bytes())
    for number, source in ((5, 5), (11, 5), (8, 8)):
        (images / f"{number}.jpg").write_bytes(in_jpeg(files[source].read_bytes(), DEADLY, marker=0xFE))
    (tmp_path / "m.csv").write_text("\n".join(["id", *map(str, range(ITEMS))]) + "\n")
    path = f"{tmp_path / 'faulty'}:{Path(__file__).parents[2]}"

    def tag(out: str, *more: object) -> dict[str, Any]:
        command = [
            sys.executable, "-P", "-m", "tagger.jobs.shell.cli", "tag", "--manifest", tmp_path / "m.csv",
            "--images", images, "--model", bundle_dir, "--out", tmp_path / out, "--workers", 1, "--max-failed", "40%",
            "--engine", "openvino-cpu-float32", "--json", *more,
        ]  # fmt: skip
        environment = {**os.environ, "PYTHONPATH": path, "DEATHS": str(tmp_path / "deaths")}
        done = subprocess.run([*map(str, command)], capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr[-3000:]
        counts: dict[str, Any] = json.loads(done.stdout)["counts"]
        return counts

    assert tag("r")["errors"] == {"crashed": 3}
    rows = pd.read_parquet(tmp_path / "r/predictions").set_index("id")
    assert len(rows) == ITEMS
    assert set(rows.index[rows["decision"] == "failed"]) == {"5", "11", "8"}
    assert str(rows.loc["5", "errorMessage"]).startswith("looking at the image ended the worker")
    assert rows["imageDigest"].notna().all()

    deaths = (tmp_path / "deaths").read_text()
    (images / f"{ITEMS}.jpg").write_bytes((images / "8.jpg").read_bytes())
    (tmp_path / "m.csv").write_text("\n".join(["id", *map(str, range(ITEMS + 1))]) + "\n")
    counts = tag("next", "--known", tmp_path / "r")
    assert (counts["errors"], counts["skipReasons"]) == ({"crashed": 4}, {"known": ITEMS - 3})
    again = pd.read_parquet(tmp_path / "next/predictions").set_index("id")
    assert again.loc[[str(ITEMS)], "errorMessage"].tolist() == rows.loc[["8"], "errorMessage"].tolist()
    assert (tmp_path / "deaths").read_text() == deaths, "nobody has looked at them"
