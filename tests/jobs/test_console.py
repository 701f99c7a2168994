import re
import time

import pytest

from jobs.console import Console


def test_the_time_left_is_judged_by_the_last_minutes_and_not_by_a_slow_start(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    with Console().progress("steps", 1000) as bar:
        bar.update(0)
        for done in range(1, 301):
            clock[0] += 100 if done == 1 else 1  # the first step waits for other processes
            bar.update(done, "loss 1.000")
    lines = capfd.readouterr().err.splitlines()
    assert re.fullmatch(r"steps: 1 of 1,000 \(0 %\)(, .* left)? loss 1\.000", lines[0])
    assert lines[-1].startswith("steps: 291 of 1,000 (29 %), 11 min left")
