import os
import subprocess
import sys
from pathlib import Path

import pytest

from tagger.jobs.shell.registry import JOBS
from tagger.jobs.shell.startup_messages import STARTUP_MESSAGES

_WITHOUT_TORCH = "import sys; sys.modules['torch'] = None; from tagger.jobs.shell.cli import command; command()"


@pytest.mark.parametrize("given", [["train"], ["combine", "a", "b"]], ids=["train", "combine"])
def test_a_command_says_what_it_does_before_it_loads_what_takes_seconds(given: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-c", _WITHOUT_TORCH, *given, "--manifest", "m.csv", "--out", "o"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "XDG_STATE_HOME": str(tmp_path)})
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == STARTUP_MESSAGES[given[0]]


def test_startup_messages_are_of_commands() -> None:
    assert set(STARTUP_MESSAGES) <= set(JOBS)
