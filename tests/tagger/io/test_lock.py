"""Two processes never work on one run."""

import json
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tagger.errors import TaggerError, UsageError
from tagger.io import lock
from tagger.io.location import Location
from tagger.io.lock import holding, is_held
from tagger.jobs.shell.outcome import exit_code_of
from tests.conftest import S3Server
from tests.faulty_s3 import Faults, faulty

HOLD = "import sys; from tagger.io import lock; from tagger.io.lock import holding\n"
HOLD += "from tagger.io.location import Location; lock._EXPIRES_S = float(sys.argv[3])\n"
HOLD += "with holding(Location(sys.argv[1], sys.argv[2] or None)):\n    print('held', flush=True); sys.stdin.read()"


def holder(root: Location) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, root.uri, root.s3_endpoint or "", str(lock._EXPIRES_S)],
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
    assert is_held(root)
    other.communicate("")
    assert not is_held(root)
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


def test_in_a_bucket_one_can_see_whether_a_run_is_held_without_changing_anything(
    unreliable: Location, faults: Faults
) -> None:
    assert not is_held(unreliable)
    other = holder(unreliable)
    lease, writes = (unreliable / "_lock").read_bytes(), faults.counts["PUT fine"]
    assert is_held(unreliable)
    assert ((unreliable / "_lock").read_bytes(), faults.counts["PUT fine"]) == (lease, writes)
    other.communicate("")
    assert not is_held(unreliable)


def test_in_a_bucket_a_lease_that_expired_or_whose_holder_died_here_holds_nothing(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Location(f"s3://{s3.bucket}/{uuid.uuid4().hex}/run", s3.endpoint)
    other = holder(root)
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    assert not is_held(root)
    held = json.loads((root / "_lock").read_bytes())
    (root / "_lock").write_text(json.dumps({**held, "processes": "another machine"}))
    assert is_held(root), "whether it died there cannot be seen from here"
    monkeypatch.setattr(lock, "_EXPIRES_S", -1.0)
    assert not is_held(root)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases that are renewed at once."""
    for name, seconds in (("_RENEW_S", 0.05), ("_RENEW_AGAIN_S", 0.05), ("_STOPS_S", 30.0), ("_TIMEOUT_S", 0.5)):
        monkeypatch.setattr(lock, name, seconds)


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def unreliable(s3: S3Server, faults: Faults) -> Iterator[Location]:
    """A run's folder in a bucket behind what loses answers."""
    with faulty(s3.endpoint, faults) as endpoint:
        yield Location(f"s3://{s3.bucket}/{uuid.uuid4().hex}/run", endpoint)


def wait_for_the_end() -> None:
    """Work that nothing but an interruption ends."""
    threading.Event().wait(60)
    pytest.fail("nothing has ended it")


def test_in_a_bucket_an_expired_lease_is_taken_over_and_its_holder_stops(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "_EXPIRES_S", -1.0)
    monkeypatch.setattr(lock, "_RENEW_S", 0.05)
    root = Location(f"s3://{s3.bucket}/old/run", s3.endpoint)
    with pytest.raises(TaggerError, match="taken over by another process"), holding(root):
        (root / "_lock").write_text('{"host": "elsewhere", "pid": 1, "since": "yesterday"}')
        wait_for_the_end()
    assert (root / "_lock").exists(), "what another process holds is not deleted"


def test_a_lost_lease_is_no_signal_of_a_person_so_that_the_next_one_is_the_first(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "_EXPIRES_S", -1.0)
    monkeypatch.setattr(lock, "_RENEW_S", 0.05)
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def work() -> int:
        armed = [signal.getsignal(number) for number in numbers]
        with pytest.raises(TaggerError, match="taken over"), holding(Location(f"s3://{s3.bucket}/twice", s3.endpoint)):
            (Location(f"s3://{s3.bucket}/twice", s3.endpoint) / "_lock").write_text("{}")
            wait_for_the_end()
        assert [signal.getsignal(number) for number in numbers] == armed
        return 0

    assert exit_code_of(work) == 0


def test_in_a_bucket_a_lease_whose_answer_was_lost_is_held(unreliable: Location, faults: Faults) -> None:
    faults.lost_answers = 2
    with holding(unreliable) as check:
        check()
        assert faults.counts["PUT unanswered"] == 2
    assert not (unreliable / "_lock").exists()


def test_in_a_bucket_a_renewal_whose_answer_was_lost_loses_nothing(
    quick: None, unreliable: Location, faults: Faults
) -> None:
    with holding(unreliable) as check:
        faults.lost_answers = 3
        while faults.counts["PUT fine"] < 5:
            check()
        assert faults.counts["PUT unanswered"] == 3


def test_in_a_bucket_a_write_that_meets_another_is_repeated(unreliable: Location, faults: Faults) -> None:
    faults.conflicts = 2
    with holding(unreliable) as check:
        check()
    assert faults.counts["PUT conflict"] == 2


def test_in_a_bucket_a_holder_that_cannot_renew_stops_before_the_lease_expires(
    quick: None, unreliable: Location, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TaggerError, match="could not be held: no renewal for"), holding(unreliable):
        faults.no_writes = True
        monkeypatch.setattr(lock, "_STOPS_S", 0.5)
        wait_for_the_end()


def test_in_a_bucket_a_holder_that_slept_stops_at_its_next_check(
    unreliable: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    with holding(unreliable) as check:
        monkeypatch.setattr(lock, "_STOPS_S", -1.0)
        with pytest.raises(TaggerError, match=r"no renewal for .* another process may take it"):
            check()


@pytest.mark.parametrize("changed", [{"processes": "another boot 4026531836"}, {"processes": None}])
def test_in_a_bucket_a_host_name_is_no_proof_that_a_holder_died(s3: S3Server, changed: dict[str, str | None]) -> None:
    root = Location(f"s3://{s3.bucket}/{uuid.uuid4().hex}/run", s3.endpoint)
    other = holder(root)
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    held = json.loads((root / "_lock").read_bytes())
    (root / "_lock").write_text(json.dumps({name: v for name, v in {**held, **changed}.items() if v}))
    with pytest.raises(UsageError, match="is taken"), holding(root):
        pass


def test_in_a_bucket_another_process_with_the_holders_number_does_not_keep_its_lease(s3: S3Server) -> None:
    root = Location(f"s3://{s3.bucket}/{uuid.uuid4().hex}/run", s3.endpoint)
    other = holder(root)
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    held = json.loads((root / "_lock").read_bytes())
    (root / "_lock").write_text(json.dumps({**held, "pid": os.getpid()}))
    with holding(root):
        pass


def test_in_a_bucket_nobody_deletes_the_lease_of_a_successor(
    unreliable: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "_EXPIRES_S", -1.0)
    with holding(unreliable):
        successor = holder(unreliable)
    assert (unreliable / "_lock").exists()
    successor.communicate("")
    assert not (unreliable / "_lock").exists()


def test_a_folder_that_stays_empty_is_not_left_behind(tmp_path: Path) -> None:
    with pytest.raises(TaggerError), holding(Location(str(tmp_path / "run"))):
        raise TaggerError
    assert not (tmp_path / "run").exists()


def test_a_bucket_that_is_not_there_is_told(s3: S3Server) -> None:
    with pytest.raises(UsageError, match="--out: cannot write to"), holding(Location("s3://nobucket/run", s3.endpoint)):
        pass
