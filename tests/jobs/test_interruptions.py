"""Commands in processes of their own, ended in the middle: kill -9, Ctrl-C, SIGTERM."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tagger.demo.drawn_catalogue import Drawn
from tagger.io.location import Location
from tagger.jobs import train
from tagger.jobs.benchmark.process_tree import tree_of
from tagger.jobs.shell.console import Console
from tagger.models.bundle import Bundle
from tagger.schemas.configs.train import TrainConfig
from tests.conftest import Outcome

pytestmark = pytest.mark.slow
WAIT_S = 300
EPOCHS = 16  # so many that none of the processes is through before its signal comes


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


def training(drawn: Drawn, settings: dict[str, object], out: Path) -> dict[str, object]:
    return {
        **settings, "manifest": str(drawn.manifest), "images": str(drawn.images), "out": str(out), "patience": 0,
        "epochs": EPOCHS,
    }  # fmt: skip


def train_command(settings: dict[str, object]) -> list[object]:
    return ["train", *(word for name, value in settings.items() for word in (f"--{name.replace('_', '-')}", value))]


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


class WorkerKiller(Console):
    """Keeps what a training says, and kills one of its workers when it has gone on."""

    def __init__(self) -> None:
        super().__init__(as_json=True)
        self.steps: list[str] = []
        self.workers: list[int] = []

    def step(self, text: str) -> None:
        super().step(text)
        self.steps.append(text)
        if text.startswith("Going on after epoch "):
            self.workers = [pid for pid, name in tree_of(os.getpid()).items() if "RayTrainWorker" in name]
            os.kill(self.workers[-1], signal.SIGKILL)


@pytest.mark.usefixtures("embedded_ray")
def test_a_training_goes_on_after_sigterm_after_a_kill_and_by_itself_after_the_loss_of_a_worker(
    drawn: Drawn, small_training: dict[str, object], tmp_path: Path, temporary: Path
) -> None:
    """One training: SIGTERM in three phases ends it as Ctrl-C does, each time the same command goes on."""
    settings = training(drawn, small_training, tmp_path / "b")
    for phase in ("Reading the manifest", "Decoding images", f"epoch 1 of {EPOCHS}"):
        process = start(*train_command(settings), TMPDIR=str(temporary))
        read_until(process, phase)
        process.terminate()
        ended_by_sigterm(process, temporary)
        assert not (tmp_path / "b/_lock").exists()

    process = start(*train_command(settings))
    read_until(process, f"epoch 3 of {EPOCHS}")
    os.killpg(process.pid, signal.SIGKILL)  # the command and the Ray inside it
    process.wait(WAIT_S)
    assert not (tmp_path / "b/bundle.json").exists()

    console = WorkerKiller()
    assert train.run(TrainConfig.model_validate({**settings, "workers": 2}), console) == 0
    assert len(console.workers) == 2
    card = Bundle.load(Location(str(tmp_path / "b"))).card
    assert [e["epoch"] for e in card.provenance.epochs] == list(range(EPOCHS))
    lines = [line for line in console.steps if line.startswith("epoch ")]
    assert len(lines) == EPOCHS, "the epochs before the kill are shown once more"
    (going_on,) = (line for line in console.steps if line.startswith("Going on after epoch "))
    assert int(going_on.removeprefix("Going on after epoch ").split()[0]) >= 2, "at most one epoch is lost"
    assert not (tmp_path / "b/_work").exists()


def test_sigterm_ends_a_training_that_calibrates_as_ctrl_c_does(
    drawn: Drawn, small_training: dict[str, object], tmp_path: Path, temporary: Path
) -> None:
    settings = training(drawn, small_training, tmp_path / "b") | {"epochs": 1, "split": "stratified"}
    process = start(*train_command(settings), TMPDIR=str(temporary))
    read_until(process, "Calibrating on val")
    process.terminate()
    ended_by_sigterm(process, temporary)
    assert not (tmp_path / "b/_lock").exists()


def tagging(drawn: Drawn, bundle_dir: Path, folder: Path) -> list[object]:
    """A command with items enough that none is through before a signal comes."""
    files = sorted(map(str, drawn.images.glob("*.jpg")))
    rows = [f"{n},{file}" for n, file in enumerate(files * 15)]
    (folder / "many.csv").write_text("\n".join(["id,imageUri", *rows]) + "\n")
    return [
        "tag", "--manifest", folder / "many.csv", "--images-root", drawn.images, "--model", bundle_dir,
        "--out", folder / "r", "--part-rows", 40, "--workers", 1,
    ]  # fmt: skip


START_AND_LEAVE = """
import os, subprocess, sys
with open(sys.argv[1], "w") as said:
    process = subprocess.Popen(sys.argv[2:], stdout=said, stderr=subprocess.STDOUT, start_new_session=True)
print(process.pid)
"""


@pytest.mark.usefixtures("embedded_ray")
def test_a_run_that_the_first_process_has_for_a_child_says_that_it_was_stopped(
    drawn: Drawn, bundle_dir: Path, tmp_path: Path, temporary: Path
) -> None:
    """As a service manager starts and stops it: Ray's core takes a process with such a parent for an abandoned one."""
    said = tmp_path / "said.txt"
    command = [sys.executable, "-m", "tagger.jobs.shell.cli", *map(str, tagging(drawn, bundle_dir, tmp_path))]
    starter = [sys.executable, "-c", START_AND_LEAVE, str(said), *command]
    environment = {**os.environ, "TMPDIR": str(temporary)}
    pid = int(subprocess.run(starter, env=environment, capture_output=True, check=True).stdout)
    wait_for_another_part(tmp_path / "r")
    processes = [psutil.Process(each) for each in tree_of(pid)]
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    psutil.wait_procs(processes, WAIT_S)
    assert "tagger: interrupted; the same command goes on from here" in said.read_text()
    assert [p.name for p in temporary.iterdir()] == []
    assert not (tmp_path / "r/_lock").exists()


def parts_of(run: Path) -> int:
    return len(list((run / "predictions").glob("part-*.parquet")))


def wait_for_another_part(run: Path, ended: Callable[[], object] = lambda: None) -> None:
    before, deadline = parts_of(run), time.monotonic() + WAIT_S
    while parts_of(run) == before:
        assert ended() is None and time.monotonic() < deadline
        time.sleep(0.01)


def wait_for_all_parts(process: subprocess.Popen[str], run: Path) -> None:
    shards = len(list((run / "_work").glob("shard-*.parquet")))
    deadline = time.monotonic() + WAIT_S
    while parts_of(run) < shards:
        assert process.poll() is None and time.monotonic() < deadline


@pytest.mark.usefixtures("embedded_ray")
def test_every_signal_ends_a_run_and_the_same_command_finishes_it(
    tagger: Callable[..., Outcome], drawn: Drawn, bundle_dir: Path, tmp_path: Path, temporary: Path
) -> None:
    """One run: SIGTERM in three phases, and to all processes as service managers send it, ends it as Ctrl-C does."""
    command = tagging(drawn, bundle_dir, tmp_path)
    for phase in ("Reading the manifest", "Tagging"):
        process = start(*command, TMPDIR=str(temporary))
        read_until(process, phase)
        process.terminate()
        ended_by_sigterm(process, temporary)
        assert not (tmp_path / "r/_SUCCESS").exists()
        assert not (tmp_path / "r/_lock").exists()

    process = start(*command, TMPDIR=str(temporary))
    read_until(process, "Tagging")
    wait_for_another_part(tmp_path / "r", process.poll)  # the workers have the model, which the command sends them once
    for pid in reversed(tree_of(process.pid)):
        if pid == process.pid:
            time.sleep(0.2)  # as on a busy machine: its Ray has ended before its own signal comes
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    ended_by_sigterm(process, temporary)

    process = start(*command)
    read_until(process, "Tagging")
    process.send_signal(signal.SIGINT)
    said = said_till_end(process)
    assert process.returncode == 130, said
    assert "interrupted" in said
    assert "Traceback" not in said
    assert not (tmp_path / "r/_SUCCESS").exists()

    process = start(*command, TMPDIR=str(temporary))
    read_until(process, "Tagging")
    processes = list(tree_of(process.pid))
    process.terminate()
    process.send_signal(signal.SIGHUP)  # a second signal ends it at once
    said = said_till_end(process)
    assert process.returncode == 130, said
    assert said.count("interrupted") == 1
    psutil.wait_procs([psutil.Process(pid) for pid in processes if psutil.pid_exists(pid)], WAIT_S)

    process = start(*command, TMPDIR=str(temporary))
    read_until(process, "Tagging")
    wait_for_all_parts(process, tmp_path / "r")
    process.terminate()  # all parts are there, and are not yet counted: Ray ends meanwhile
    ended_by_sigterm(process, temporary)
    assert not (tmp_path / "r/_lock").exists()

    again = tagger(*command, "--json")
    assert again.code == 0, again.err
    assert (tmp_path / "r/_SUCCESS").exists()
    counts = json.loads(again.out)["counts"]
    assert counts["predictions"] == counts["rows"] == len((tmp_path / "many.csv").read_text().splitlines()) - 1
