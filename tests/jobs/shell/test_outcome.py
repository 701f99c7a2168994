"""How commands end: exit codes, and where an unforeseen error is kept."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from ray.exceptions import RayTaskError
from ray.train import ControllerError, WorkerGroupError

from tagger.io.location import Location
from tagger.io.scratch import scratch_folder
from tagger.jobs.demo import _clear
from tagger.jobs.shell.outcome import ERROR_LOG, ErrorLog, exit_code_of

CLI = [sys.executable, "-m", "tagger.jobs.shell.cli"]


def broken() -> int:
    raise KeyError("colour")


def test_an_unforeseen_error_keeps_its_traceback_and_the_line_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TAGGER_REVIEW_TOKEN", "not for a file")
    (tmp_path / "out").mkdir()
    log = ErrorLog()
    log.set_folder(str(tmp_path / "out"))
    assert [exit_code_of(broken, log), exit_code_of(broken, log)] == [1, 1]
    kept = (tmp_path / "out/_error.log").read_text()
    assert kept.count("in broken") == kept.count("KeyError: 'colour'") == kept.count(" UTC\n") == 2
    assert "not for a file" not in kept
    said = capsys.readouterr().err.splitlines()
    assert said == [f"tagger: KeyError: 'colour'; what was finished is kept (traceback: {tmp_path}/out/_error.log)"] * 2


@pytest.mark.parametrize("on_the_way", [True, False])
def test_an_error_in_a_trainings_process_is_told_in_its_own_words(
    on_the_way: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inner = RayTaskError("start", "Traceback of the worker", OSError(98, "address already in use"))

    def fail() -> int:
        raise ControllerError(inner) if on_the_way else WorkerGroupError("one worker failed", {0: inner})

    log = ErrorLog()
    log.set_folder(str(tmp_path))
    assert exit_code_of(fail, log) == 1
    assert capsys.readouterr().err.startswith("tagger: OSError: [Errno 98] address already in use; what was finished")


def test_a_kept_traceback_does_not_stand_in_the_way_of_the_next_attempt(tmp_path: Path) -> None:
    log = ErrorLog()
    log.set_folder(str(tmp_path))
    assert exit_code_of(broken, log) == 1
    assert [file.name for file in tmp_path.iterdir()] == [ERROR_LOG]
    assert not Location(str(tmp_path)).files()
    _clear(tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_traceback_of_a_job_that_goes_on_later_lies_with_its_work(tmp_path: Path) -> None:
    (tmp_path / "out/_work").mkdir(parents=True)
    log = ErrorLog()
    log.set_folder(f"file://{tmp_path}/out")
    assert exit_code_of(broken, log) == 1
    assert "KeyError" in (tmp_path / "out/_work/error.log").read_text()


@pytest.mark.parametrize("out", [None, "s3://bucket/run", "/nowhere/run"])
def test_where_a_job_has_no_folder_the_traceback_lies_with_the_users_state(
    out: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    log = ErrorLog()
    log.set_folder(out)
    assert exit_code_of(broken, log) == 1
    assert "KeyError" in (tmp_path / "catalog-tagger/error.log").read_text()


def test_without_a_home_the_traceback_lies_in_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/nowhere")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert exit_code_of(broken) == 1
    assert "KeyError" in (tmp_path / "catalog-tagger.log").read_text()


@pytest.mark.parametrize("command", [["schema", "prediction"], ["recipes"], ["schema"]])
def test_a_reader_that_has_enough_ends_a_command_without_a_word(command: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*CLI, *command], stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize(("full_exit", "said"), [("", ""), ("1", "the end\n")])
def test_a_command_ends_at_once_unless_what_waits_for_its_end_is_asked_for(full_exit: str, said: str) -> None:
    code = "import atexit, sys; atexit.register(print, 'the end', file=sys.stderr)\n"
    code += "sys.argv = ['tagger', 'schema', 'run']; from tagger.jobs.shell.cli import command; command()"
    environment = {**os.environ, "TAGGER_FULL_EXIT": full_exit}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, said)
    assert done.stdout.endswith("}\n")


def test_what_a_killed_process_left_is_swept_by_the_next(tmp_path: Path) -> None:
    code = "import os, sys; from pathlib import Path; from tagger.io.scratch import scratch_folder\n"
    code += "with scratch_folder('tagger-x-', Path(sys.argv[1])) as folder:\n    os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)])
    assert len(list(tmp_path.iterdir())) == 1
    with scratch_folder("tagger-x-", tmp_path) as mine, scratch_folder("tagger-x-", tmp_path) as second:
        assert {*tmp_path.iterdir()} == {mine, second}, "what is held stays"
    assert not list(tmp_path.iterdir())


def test_a_command_that_ran_inside_another_program_leaves_its_signals_as_they_were() -> None:
    def interrupted() -> int:
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    assert exit_code_of(interrupted) == 130
    assert {number: signal.getsignal(number) for number in before} == before


SWALLOWED = """
import signal, sys, time
from tagger.jobs.shell.console import Console
from tagger.jobs.shell.outcome import exit_code_of

class Library:
    def __del__(self):  # Python drops whatever a destructor raises
        signal.raise_signal(signal.SIGTERM)

def work():
    Library()
    try:
        time.sleep(10)
        Console().step("Tagging")
    finally:
        Console().step("Clearing away")
    return 0

signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
code = exit_code_of(work)
assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
sys.exit(code)
"""


def test_a_signal_that_a_library_has_swallowed_ends_a_command_all_the_same() -> None:
    """In a process of its own, which a second signal would end at once."""
    done = subprocess.run([sys.executable, "-c", SWALLOWED], capture_output=True, text=True, timeout=120)
    said = done.stderr
    assert (done.returncode, said) == (130, "Clearing away\ntagger: interrupted; the same command goes on from here\n")


CLEARED = """
import signal, sys
from tagger.io.signals import held_back_signals
from tagger.jobs.shell.outcome import exit_code_of

def work():
    with held_back_signals():
        signal.raise_signal(signal.SIGTERM)
        print("cleared away")
    print("went on")
    return 0

sys.exit(exit_code_of(work))
"""


def test_what_clears_away_comes_to_its_end_before_a_signal_ends_the_command() -> None:
    """In a process of its own: this one may have libraries that handle signals, too."""
    done = subprocess.run([sys.executable, "-c", CLEARED], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (130, "cleared away\n")
