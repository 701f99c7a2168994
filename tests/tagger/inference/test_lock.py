"""Two processes never work on one run."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tagger.errors import TaggerError, UsageError
from tagger.inference import lock
from tagger.inference.lock import holding
from tagger.storage import Location
from tests.conftest import S3Server

HOLD = "import sys; from tagger.inference.lock import holding; from tagger.storage import Location\n"
HOLD += "with holding(Location(sys.argv[1], sys.argv[2] or None)):\n    print('held', flush=True); sys.stdin.read()"


def holder(root: Location) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, root.uri, root.s3_endpoint or ""],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_process_is_told_who_holds_the_run(tmp_path: Path) -> None:
    root = Location(str(tmp_path / "run"))
    other = holder(root)
    with pytest.raises(UsageError, match=rf"is taken: process {other.pid} on .* works on it"), holding(root):
        pass
    other.communicate("")
    with holding(root):
        assert (tmp_path / "run/_lock").exists()
    assert not (tmp_path / "run/_lock").exists()


def test_the_lock_of_a_killed_process_is_free_at_once(tmp_path: Path) -> None:
    root = Location(str(tmp_path / "run"))
    other = holder(root)
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    with holding(root):
        pass


def test_the_same_process_does_not_hold_a_run_twice(tmp_path: Path) -> None:
    root = Location(str(tmp_path / "run"))
    with holding(root), pytest.raises(UsageError, match="is taken"), holding(root):
        pass


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for name, message in (("file", "is a file"), ("file/run", "cannot write to")):
        with pytest.raises(UsageError, match=f"--out: .*{message}"), holding(Location(str(tmp_path / name))):
            pass


def test_in_a_bucket_a_second_process_is_told_too(s3: S3Server) -> None:
    root = Location(f"s3://{s3.bucket}/locked/run", s3.endpoint)
    other = holder(root)
    message = rf"is taken: process {other.pid} .*last seen .* try again in a minute"
    with pytest.raises(UsageError, match=message), holding(root):
        pass
    other.communicate("")
    with holding(root) as check:
        check()
    assert not (root / "_lock").exists()


def test_in_a_bucket_the_lease_of_a_process_that_died_here_is_taken_over(s3: S3Server) -> None:
    root = Location(f"s3://{s3.bucket}/died/run", s3.endpoint)
    other = holder(root)
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    assert (root / "_lock").exists()
    with holding(root):
        pass


def test_in_a_bucket_an_old_lease_of_another_machine_is_taken_over_and_its_holder_stops(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "_EXPIRES_S", -1.0)
    monkeypatch.setattr(lock, "_RENEW_S", 0.05)
    root = Location(f"s3://{s3.bucket}/old/run", s3.endpoint)
    with holding(root) as check:
        monkeypatch.setattr(lock, "_RENEW_S", 1000.0)
        (root / "_lock").write_text('{"host": "elsewhere", "pid": 1, "since": "yesterday"}')
        with pytest.raises(TaggerError, match="taken over by another process"):
            for _ in range(10_000):
                check()
                threading.Event().wait(0.01)
    assert (root / "_lock").exists(), "what another process holds is not deleted"


def test_a_bucket_that_is_not_there_is_told(s3: S3Server) -> None:
    with pytest.raises(UsageError, match="--out: cannot write to"), holding(Location("s3://nobucket/run", s3.endpoint)):
        pass
