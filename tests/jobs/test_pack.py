"""The pack command: what it prints, its exit codes, and runs on packed images beside runs on the loose files."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from tagger.demo.drawn_catalogue import Drawn, draw_catalogue
from tagger.io.location import Location
from tests.builders import predictions_by_id
from tests.conftest import Outcome, S3Server

Run = Callable[..., Outcome]
DIFFERENT = ["imageUri", "runId", "taggedAt", "errorMessage"]
"""Columns of predictions that say where an image was, and when."""


def test_the_counts_and_the_next_command_are_printed(tagger: Run, drawn: Drawn, tmp_path: Path) -> None:
    arguments = ["pack", "--manifest", drawn.manifest, "--images", drawn.images, "--out", tmp_path / "packed"]
    done = tagger(*arguments)
    assert done.code == 0, done.err
    assert f"10004: there is no file {drawn.images}/10004.jpg" in done.out
    assert f"all of which {tmp_path}/packed/_failed lists" in done.out
    assert done.out.endswith(f"Next: tagger check --manifest {drawn.manifest} --images {tmp_path}/packed\n")
    again = tagger(*arguments, "--json")
    document = json.loads(again.out)
    assert "nothing to do" in again.err
    assert document["rows"] == document["items"] + document["rejects"] == drawn.items + 2
    assert document["items"] == document["images"] + document["itemsFailed"] == drawn.items
    assert (document["failed"], document["itemsFailed"], document["shards"]) == ({"not_found": 1}, 1, 1)
    assert document["failedImages"]["not_found"][0]["id"] == "10004"


def test_too_many_failed_images_exit_with_4_and_the_likely_cause(tagger: Run, drawn: Drawn, tmp_path: Path) -> None:
    pattern = f"{drawn.images}/{{id}}.JPEG"
    done = tagger("pack", "--manifest", drawn.manifest, "--images", pattern, "--out", tmp_path / "packed")
    assert done.code == 4
    assert f"! {drawn.items:,} of {drawn.items:,} images cannot be read (100%), more than --max-failed 5%" in done.err
    assert "jpg" in done.out.partition("not_found")[2]
    assert "Next:" not in done.out


@pytest.mark.slow
@pytest.mark.usefixtures("embedded_ray")
def test_a_run_on_packed_images_predicts_what_a_run_on_the_files_does(
    tagger: Run, bundle_dir: Path, tmp_path: Path
) -> None:
    drawn = draw_catalogue(tmp_path / "drawn", 150, seed=3)  # some items have several images
    alone = (file for file in sorted(drawn.images.glob("?????.jpg")) if not [*drawn.images.glob(f"{file.stem}_*")])
    next(alone).unlink()
    manifest, loose = ["--manifest", drawn.manifest], f"{drawn.images}/{{id}}_{{n}}.jpg"
    packed = tagger("pack", *manifest, "--images", loose, "--out", tmp_path / "packed", "--shard-mb", 1)
    assert (packed.code, len(list((tmp_path / "packed").glob("*.parquet")))) == (0, 2), packed.err
    predictions = []
    for name, images in (("loose", loose), ("packed", tmp_path / "packed")):
        arguments = ["--images", images, "--model", bundle_dir, "--out", tmp_path / f"run-{name}"]
        tagged = tagger("tag", *manifest, *arguments, "--engine", "torch-cpu-float32")
        assert tagged.code == 0, tagged.err
        predictions.append(_comparable(predictions_by_id(tmp_path / f"run-{name}")))
    of_files, of_shards = predictions
    pd.testing.assert_frame_equal(of_files, of_shards)
    assert set(of_files["errorCode"].dropna()) == {"not_found", "truncated"}
    assert of_files["images"].map(bool).any()


def _comparable(predictions: pd.DataFrame) -> pd.DataFrame:
    """Predictions by id without what differs; of items with several images, what each says without where it was."""
    images = predictions["images"].map(
        lambda said: None if said is None else [{k: v for k, v in image.items() if k != "imageUri"} for image in said]
    )
    return predictions.drop(columns=DIFFERENT).assign(images=images).sort_index()


@pytest.mark.slow
def test_a_prefix_of_a_bucket_is_packed_into_a_bucket(tagger: Run, s3: S3Server, drawn: Drawn) -> None:
    base = f"s3://{s3.bucket}/packing"
    files = sorted(drawn.images.iterdir())[:20]
    for file in files:
        s3.put(f"packing/photos/{file.name}", file.read_bytes())
    arguments = ["pack", "--images", f"{base}/photos/", "--out", f"{base}/packed", "--s3-endpoint", s3.endpoint]
    done = tagger(*arguments, "--json")
    assert done.code == 0, done.err
    counts = json.loads(done.out)
    assert (counts["rows"], counts["images"], counts["failed"]) == (20, 20, {})
    with Location(f"{base}/packed/images-00000.parquet", s3.endpoint).open_random() as shard:
        table = pq.read_table(shard)
    assert table["id"].to_pylist() == [file.stem for file in files]
    assert table["image"].to_pylist() == [file.read_bytes() for file in files]
    assert table["imageUri"][0].as_py() == f"{base}/photos/{files[0].name}"
    s3.put("packing/photos/new.jpg", b"new")
    changed = tagger(*arguments)
    assert (changed.code, "before the manifest or the list of images changed" in changed.err) == (2, True)
    ids = s3.put("packing/ids.csv", "\n".join(["id", *(file.stem for file in files)]).encode())
    checked = tagger(
        "check", "--manifest", ids, "--images", f"{base}/packed", "--s3-endpoint", s3.endpoint, "--json"
    )  # fmt: skip
    assert json.loads(checked.out)["imagesChecked"] == 20


@pytest.mark.slow
def test_a_killed_command_is_resumed_by_the_same_command(tagger: Run, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for n in range(60):
        (images / f"{n:02}.jpg").write_bytes(os.urandom(1_000_000))
    arguments = ["pack", "--images", str(images), "--shard-mb", "1", "--out"]
    out = tmp_path / "killed"
    process = subprocess.Popen([sys.executable, "-m", "tagger.jobs.shell.cli", *arguments, str(out)])
    while process.poll() is None and not (out / "images-00003.parquet").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = sorted(out.glob("*.parquet"))
    assert 4 <= len(finished) < 60, "the kill came in the middle"
    times = [file.stat().st_mtime_ns for file in finished]
    assert tagger(*arguments, out).code == 0
    assert [file.stat().st_mtime_ns for file in finished] == times
    assert tagger(*arguments, tmp_path / "whole").code == 0
    whole = {file.name: file.read_bytes() for file in (tmp_path / "whole").glob("*.parquet")}
    assert {file.name: file.read_bytes() for file in out.glob("*.parquet")} == whole
