"""Two processes never work on one run."""

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tagger.errors import TaggerError, UsageError
from tagger.io import lock
from tagger.io.location import Location
from tagger.io.lock import holding, is_held
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


WORK = """
import signal, sys, threading
from tagger.errors import TaggerError
from tagger.io import lock
from tagger.io.location import Location
from tagger.jobs.shell.outcome import exit_code_of

lock._RENEW_S, lock._RENEW_AGAIN_S, lock._TIMEOUT_S, lock._STOPS_S = 0.05, 0.05, 0.5, float(sys.argv[3])
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

def work():
    before = [signal.getsignal(number) for number in SIGNALS]
    try:
        with lock.holding(Location(sys.argv[1], sys.argv[2])):
            print("held", flush=True)
            threading.Event().wait(60)
    except TaggerError as error:
        print(error, [signal.getsignal(number) for number in SIGNALS] == before)
    return 0

sys.exit(exit_code_of(work) if sys.argv[4:] else work())
"""
"""Work that nothing but an interruption ends: of a program, or with a last argument of a command."""


def worker(root: Location, stops_s: float = 30.0, *more: str) -> subprocess.Popen[str]:
    """A process of its own, as its main thread is interrupted; it holds the lock when this returns."""
    words = [sys.executable, "-c", WORK, root.uri, root.s3_endpoint or "", str(stops_s), *more]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


@pytest.mark.parametrize("more", [(), ("as a command",)])
def test_in_a_bucket_a_lease_that_is_taken_over_stops_its_holder_and_leaves_signals_as_they_were(
    s3: S3Server, more: tuple[str, ...]
) -> None:
    root = Location(f"s3://{s3.bucket}/{uuid.uuid4().hex}/run", s3.endpoint)
    process = worker(root, 30.0, *more)
    (root / "_lock").write_text('{"host": "elsewhere", "pid": 1, "since": "yesterday"}')
    out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert out.endswith("was taken over by another process; this one stops True\n")
    assert (root / "_lock").exists(), "what another process holds is not deleted"


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
    unreliable: Location, faults: Faults
) -> None:
    process = worker(unreliable, 2.0)
    faults.no_writes = True
    out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert "could not be held: no renewal for" in out


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
