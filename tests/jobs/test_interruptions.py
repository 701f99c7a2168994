"""Commands in processes of their own, ended in the middle: kill -9, Ctrl-C, SIGTERM."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tagger.demo.drawn_catalogue import Drawn
from tagger.io.location import Location
from tagger.jobs.benchmark.process_tree import tree_of
from tagger.models.bundle import Bundle

pytestmark = pytest.mark.slow
WAIT_S = 300


def start(*arguments: object, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tagger.jobs.shell.cli", *map(str, arguments)]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, **environment},
    )


def training(drawn: Drawn, settings: dict[str, object], out: Path) -> list[object]:
    flags = [part for name, value in settings.items() for part in (f"--{name.replace('_', '-')}", value)]
    return [
        "train", "--manifest", drawn.manifest, "--images", drawn.images, "--out", out, *flags,
        "--epochs", 6, "--patience", 0,
    ]  # fmt: skip


def said_till_end(process: subprocess.Popen[str]) -> str:
    try:
        return process.communicate(timeout=WAIT_S)[0]
    except subprocess.TimeoutExpired as error:
        os.killpg(process.pid, signal.SIGKILL)
        pytest.fail(f"not at its end after {WAIT_S} s:\n{(error.output or b'').decode()}")


def read_until(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    deadline = time.monotonic() + WAIT_S
    seen = []
    for line in process.stdout:
        seen.append(line)
        if word in line:
            return
        assert time.monotonic() < deadline, "".join(seen)
    pytest.fail(f"{word!r} was never said:\n{''.join(seen)}")


def test_a_training_killed_in_the_middle_goes_on_where_it_was(
    drawn: Drawn, small_training: dict[str, object], tmp_path: Path
) -> None:
    command = training(drawn, small_training, tmp_path / "b")
    process = start(*command)
    read_until(process, "epoch 3 of 6")
    os.killpg(process.pid, signal.SIGKILL)  # the command and the Ray inside it
    process.wait(WAIT_S)
    assert not (tmp_path / "b/bundle.json").exists()

    again = start(*command)
    said = said_till_end(again)
    assert again.returncode == 0, said
    card = Bundle.load(Location(str(tmp_path / "b"))).card
    assert [e["epoch"] for e in card.provenance.epochs] == list(range(6))
    lines = [line for line in said.splitlines() if line.startswith("epoch ")]
    assert len(lines) == 6, "the epochs before the kill are shown once more"
    assert "Going on after epoch" in said
    assert int(said.split("Going on after epoch ")[1].split()[0]) >= 2, "at most one epoch is lost"
    assert not (tmp_path / "b/_work").exists()


def test_a_training_whose_worker_is_killed_goes_on_by_itself(
    drawn: Drawn, small_training: dict[str, object], tmp_path: Path
) -> None:
    process = start(*training(drawn, small_training, tmp_path / "b"), "--workers", 2)
    read_until(process, "epoch 2 of 6")
    workers = [pid for pid, name in tree_of(process.pid).items() if "RayTrainWorker" in name]
    assert len(workers) == 2
    os.kill(workers[1], signal.SIGKILL)
    said = said_till_end(process)
    assert process.returncode == 0, said
    card = Bundle.load(Location(str(tmp_path / "b"))).card
    assert [e["epoch"] for e in card.provenance.epochs] == list(range(6))


def tagging(drawn: Drawn, bundle_dir: Path, folder: Path) -> list[object]:
    """A command with items enough that none is through before a signal comes."""
    files = sorted(map(str, drawn.images.glob("*.jpg")))
    rows = [f"{n},{file}" for n, file in enumerate(files * 50)]
    (folder / "many.csv").write_text("\n".join(["id,imageUri", *rows]) + "\n")
    return [
        "tag", "--manifest", folder / "many.csv", "--images-root", drawn.images, "--model", bundle_dir,
        "--out", folder / "r", "--part-rows", 40,
    ]  # fmt: skip


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A temporary folder of a command's own, with a path as short as usual: Ray lays its sockets there."""
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as folder:
        yield Path(folder)


def ended_by_sigterm(process: subprocess.Popen[str], temporary: Path) -> None:
    """Assert that a command that SIGTERM was sent to ended as it does at Ctrl-C, and that nothing of it is left."""
    said = said_till_end(process)
    assert process.returncode == 130, said
    assert "tagger: interrupted; the same command goes on from here" in said
    assert "*** SIGTERM received" not in said
    assert "Traceback" not in said
    assert [p.name for p in temporary.iterdir()] == []
    assert [p.cmdline() for p in psutil.process_iter() if str(temporary) in environment_of(p)] == []


def environment_of(process: psutil.Process) -> str:
    try:
        return process.environ().get("TMPDIR", "") if process.status() != psutil.STATUS_ZOMBIE else ""
    except psutil.Error:
        return ""


@pytest.mark.parametrize("phase", ["Reading the manifest", "Decoding images", "epoch 1 of 6", "Calibrating on val"])
def test_sigterm_ends_a_training_as_ctrl_c_does(
    drawn: Drawn, small_training: dict[str, object], tmp_path: Path, temporary: Path, phase: str
) -> None:
    process = start(*training(drawn, small_training, tmp_path / "b"), TMPDIR=str(temporary))
    read_until(process, phase)
    process.terminate()
    ended_by_sigterm(process, temporary)
    assert not (tmp_path / "b/_lock").exists()


@pytest.mark.parametrize("phase", ["Reading the manifest", "Tagging"])
def test_sigterm_ends_a_run_as_ctrl_c_does(
    drawn: Drawn, bundle_dir: Path, tmp_path: Path, temporary: Path, phase: str
) -> None:
    process = start(*tagging(drawn, bundle_dir, tmp_path), TMPDIR=str(temporary))
    read_until(process, phase)
    process.terminate()
    ended_by_sigterm(process, temporary)
    assert not (tmp_path / "r/_SUCCESS").exists()
    assert not (tmp_path / "r/_lock").exists()


def test_sigterm_ends_a_run_that_finishes_as_ctrl_c_does(
    drawn: Drawn, bundle_dir: Path, tmp_path: Path, temporary: Path
) -> None:
    """All parts are there, and are not yet counted: Ray ends meanwhile."""
    command = [
        "tag", "--manifest", drawn.manifest, "--images", drawn.images, "--model", bundle_dir, "--out", tmp_path / "r",
        "--part-rows", 40,
    ]  # fmt: skip
    process = start(*command, TMPDIR=str(temporary))
    read_until(process, "Tagging")
    shards = len(list((tmp_path / "r/_work").glob("shard-*.parquet")))
    deadline = time.monotonic() + WAIT_S
    while len(list((tmp_path / "r/predictions").glob("part-*.parquet"))) < shards:
        assert process.poll() is None and time.monotonic() < deadline
    process.terminate()
    ended_by_sigterm(process, temporary)
    assert not (tmp_path / "r/_lock").exists()

    again = start(*command, "--json")
    said = said_till_end(again)
    assert again.returncode == 0, said
    assert (tmp_path / "r/_SUCCESS").exists()


def test_sigterm_to_all_processes_of_a_command_ends_it_as_ctrl_c_does(
    drawn: Drawn, bundle_dir: Path, tmp_path: Path, temporary: Path
) -> None:
    """As service managers send it."""
    process = start(*tagging(drawn, bundle_dir, tmp_path), TMPDIR=str(temporary))
    read_until(process, "Tagging")
    for pid in reversed(tree_of(process.pid)):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    ended_by_sigterm(process, temporary)


def test_a_second_signal_ends_a_command_at_once(
    drawn: Drawn, bundle_dir: Path, tmp_path: Path, temporary: Path
) -> None:
    process = start(*tagging(drawn, bundle_dir, tmp_path), TMPDIR=str(temporary))
    read_until(process, "Tagging")
    processes = list(tree_of(process.pid))
    process.terminate()
    process.send_signal(signal.SIGHUP)
    said = said_till_end(process)
    assert process.returncode == 130, said
    assert said.count("interrupted") == 1
    psutil.wait_procs([psutil.Process(pid) for pid in processes if psutil.pid_exists(pid)], WAIT_S)


def test_ctrl_c_ends_a_run_within_seconds_and_the_same_command_finishes_it(
    drawn: Drawn, bundle_dir: Path, tmp_path: Path
) -> None:
    command = tagging(drawn, bundle_dir, tmp_path)
    process = start(*command)
    read_until(process, "Tagging")
    process.send_signal(signal.SIGINT)
    said = said_till_end(process)
    assert process.returncode == 130, said
    assert "interrupted" in said
    assert "Traceback" not in said
    assert not (tmp_path / "r/_SUCCESS").exists()

    again = start(*command, "--json")
    said = said_till_end(again)
    assert again.returncode == 0, said
    counts = json.loads(said[said.index("{") :])["counts"]
    assert counts["predictions"] == counts["rows"] == len((tmp_path / "many.csv").read_text().splitlines()) - 1
