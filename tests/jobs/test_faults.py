"""What goes wrong while a run goes on: the store, the disk, the bucket, the images."""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from botocore.exceptions import ClientError

from tagger.demo.drawn_catalogue import Drawn
from tagger.schemas.documents.engine import ENGINE_FILE
from tests.conftest import Outcome, S3Server
from tests.corpus import bad, good
from tests.faulty_s3 import Faults, faulty

Run = Callable[..., Outcome]
STORED = 240  # enough to measure engines on
pytestmark = pytest.mark.usefixtures("embedded_ray")


def test_a_store_that_throttles_resets_and_cuts_off_costs_no_row(
    tagger: Run, s3: S3Server, drawn: Drawn, bundle_dir: Path, tmp_path: Path
) -> None:
    (bundle_dir / ENGINE_FILE).unlink(missing_ok=True)  # so that engines are measured, which reads images, too
    files = sorted(drawn.images.iterdir())
    names = []
    for number in range(STORED):
        source = files[number % len(files)]
        names.append(f"{number:04d}-{source.stem}")
        s3.put(f"faulty/{names[-1]}.jpg", source.read_bytes())
    (tmp_path / "m.csv").write_text("\n".join(["id", *names]) + "\n")
    faults = Faults(throttled=0.06, reset=0.03, truncated=0.03, always_failing=f"/{names[77]}.jpg", seed=1)
    with faulty(s3.endpoint, faults) as endpoint:
        outcome = tagger(
            "tag", "--manifest", tmp_path / "m.csv", "--images", f"s3://{s3.bucket}/faulty/{{id}}.jpg",
            "--s3-endpoint", endpoint, "--model", bundle_dir, "--out", tmp_path / "r", "--json",
        )  # fmt: skip
    assert outcome.code == 0, outcome.err
    found = pd.read_parquet(tmp_path / "r/predictions").set_index("id")
    assert len(found) == STORED
    truncated = {n for n in names if n[5:] in drawn.truncated}
    failed = found[found["decision"] == "failed"]
    assert set(failed.index) == {names[77]} | truncated
    assert failed.loc[names[77], "errorCode"] == "store_error"
    assert "after 8 attempts" in str(failed.loc[names[77], "errorMessage"])
    assert json.loads(outcome.out)["counts"]["errors"] == {"store_error": 1, "truncated": len(truncated)}
    assert min(faults.counts[kind] for kind in ("throttled", "reset", "truncated")) >= 2
    assert faults.counts["always"] == 16, "eight times for the sample that the engine is measured on, eight for its row"


def test_a_folder_of_bad_images_is_accounted_for_row_by_row(tagger: Run, bundle_dir: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for name, data in {**bad(), **good()}.items():
        (images / name).write_bytes(data)
    (images / "folder.jpg").mkdir()
    os.mkfifo(images / "pipe.jpg")
    (images / "dangling.jpg").symlink_to(images / "nowhere.jpg")
    (images / "loop.jpg").symlink_to(images / "loop.jpg")
    (tmp_path / "outside.jpg").write_bytes(good()["plain.jpg"])
    (images / "outside.jpg").symlink_to(tmp_path / "outside.jpg")
    strange = ["folder.jpg", "pipe.jpg", "dangling.jpg", "loop.jpg", "outside.jpg", "missing.jpg", "x" * 300 + ".jpg"]
    names = [*bad(), *good(), *strange]
    (tmp_path / "m.csv").write_text("\n".join(["id,file", *(f"{i},{n}" for i, n in enumerate(names))]) + "\n")
    common = ["tag", "--manifest", tmp_path / "m.csv", "--images", f"{images}/{{file}}", "--model", bundle_dir]
    outcome = tagger(*common, "--out", tmp_path / "r", "--max-failed", "100%", "--json")
    assert outcome.code == 0, outcome.err
    found = pd.read_parquet(tmp_path / "r/predictions")
    found["file"] = [names[int(i)] for i in found["id"]]
    found = found.set_index("file")
    assert len(found) == len(names)
    usable = set(found.index[found["decision"] != "failed"])
    assert usable == set(good())
    codes = found["errorCode"]
    assert codes[["folder.jpg", "pipe.jpg", "dangling.jpg", "missing.jpg"]].eq("not_found").all()
    assert codes["outside.jpg"] == "outside_store"
    assert codes[["loop.jpg", strange[-1]]].isin(["store_error", "not_found", "outside_store"]).all()
    assert found.loc[list(bad()), "errorMessage"].str.len().gt(10).all()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to read as another user")
def test_an_unreadable_file_is_access_denied(drawn: Drawn, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    file = tmp_path / "secret.jpg"
    file.write_bytes(good()["plain.jpg"])
    file.chmod(0)
    code = (
        "import os, sys; from tagger.images.files import read_file; from tagger.errors import ImageError\n"
        "os.setegid(65534); os.seteuid(65534)\n"
        "try: read_file(sys.argv[1], 1000)\nexcept ImageError as error: print(error.code)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True)
    assert done.stdout.strip() in ("access_denied", "not_found"), done.stderr  # the folders above may be closed, too


def test_a_lost_bucket_ends_the_run_and_the_same_command_finishes_it(
    tagger: Run, s3: S3Server, drawn: Drawn, bundle_dir: Path
) -> None:
    client = s3.client()
    client.create_bucket(Bucket="fleeting")  # type: ignore[attr-defined]

    def lose() -> None:
        for _ in range(3000):
            keys = [o["Key"] for o in client.list_objects_v2(Bucket="fleeting").get("Contents", [])]  # type: ignore[attr-defined]
            if any("predictions/" in key for key in keys):
                break
            time.sleep(0.02)
        for _ in range(1000):  # workers still write
            for entry in client.list_objects_v2(Bucket="fleeting").get("Contents", []):  # type: ignore[attr-defined]
                client.delete_object(Bucket="fleeting", Key=entry["Key"])  # type: ignore[attr-defined]
            with contextlib.suppress(ClientError):
                client.delete_bucket(Bucket="fleeting")  # type: ignore[attr-defined]
                return

    command = [
        "tag", "--manifest", drawn.manifest, "--images", drawn.images, "--model", bundle_dir, "--out",
        "s3://fleeting/run", "--s3-endpoint", s3.endpoint, "--part-rows", 20, "--workers", 1,
    ]  # fmt: skip
    loser = threading.Thread(target=lose)
    loser.start()
    outcome = tagger(*command)
    loser.join()
    assert outcome.code in (1, 2), outcome.err
    assert "s3://fleeting/run" in outcome.err
    assert "Traceback" not in outcome.err

    client.create_bucket(Bucket="fleeting")  # type: ignore[attr-defined]
    again = tagger(*command, "--json")
    assert again.code == 0, again.err
    counts = json.loads(again.out)["counts"]
    assert counts["rows"] == counts["predictions"] + counts["rejects"] == drawn.items + 2


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a small disk")
def test_a_full_disk_ends_the_run_and_with_room_the_same_command_finishes_it(
    tagger: Run, drawn: Drawn, bundle_dir: Path, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"this machine does not let root mount: {mounted.stderr.decode().strip()}")
    try:
        command = [
            "tag", "--manifest", drawn.manifest, "--images", drawn.images, "--model", bundle_dir, "--out", disk / "run",
            "--part-rows", 40,
        ]  # fmt: skip
        outcome = tagger(*command)
        assert outcome.code == 1, outcome.err
        assert "No space left on device" in outcome.err
        assert str(disk) in outcome.err
        assert "Traceback" not in outcome.err
        subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
        again = tagger(*command, "--json")
        assert again.code == 0, again.err
        assert json.loads(again.out)["counts"]["predictions"] == drawn.items
        assert not [f for f in disk.rglob(".*") if f.is_file()], "no half-written file is left"
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
