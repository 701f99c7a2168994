import json
import re
import time
from pathlib import Path

import numpy as np
import pytest

from tagger.evaluation.metrics import Evaluation, Predicted
from tagger.jobs.shell.console import Console
from tagger.jobs.shell.figures import percent
from tagger.schemas.documents.taxonomy import Level


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
    assert re.fullmatch(r"steps: 1 of 1,000 \(0%\)(, .* left)?, loss 1\.000", lines[0])
    assert lines[-1].startswith("steps: 291 of 1,000 (29%), 11 min left")


def test_metrics_state_the_calibration_error_beside_what_chance_gives(capfd: pytest.CaptureFixture[str]) -> None:
    truth = np.array(["a", "b"] * 10, object)
    p = Predicted(truth, truth, np.full(20, 0.9))
    Console().metrics("Of 20 items", Evaluation("test", dict.fromkeys(Level, p)).metrics())
    out = capfd.readouterr().out
    assert "0.1000" in out, "all are right, and the confidences say 90%"
    by_chance = (2 / np.pi * 0.9 * 0.1 / 20) ** 0.5
    assert f"items: {by_chance:.4f} (masterCategory), {by_chance:.4f} (articleType)." in out


def test_progress_names_its_unit_and_says_nothing_of_an_unknown_total(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    with Console().progress("Reading the manifest", None, "rows") as bar:
        for done in (0, 12_000):
            clock[0] += 20
            bar.update(done)
    with Console().progress("Choosing an engine", 512, "images") as bar:
        clock[0] += 20
        bar.update(200)
    lines = capfd.readouterr().err.splitlines()
    assert lines == [
        "Reading the manifest", "Reading the manifest: 12,000 rows", "Choosing an engine: 200 of 512 images (39%)"
    ]  # fmt: skip


def test_a_table_in_a_pipe_or_file_keeps_every_row_on_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    words = [f"a rather long heading, number {n}" for n in range(9)]
    Console().table("Wide", words, [words])
    lines = capfd.readouterr().out.splitlines()
    assert len(lines) == 6
    assert all(word in lines[2] and word in lines[4] for word in words)


def test_json_holds_neither_nan_nor_infinity(capfd: pytest.CaptureFixture[str]) -> None:
    found = {"lowest": float("nan"), "rows": [(1.5, float("-inf"))], "of numpy": [np.float32("nan"), np.int64(7)]}
    Console(as_json=True).result(found | {"where": Path("/tmp")})
    out = capfd.readouterr().out
    assert json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON")) == {
        "lowest": None,
        "rows": [[1.5, None]],
        "of numpy": [None, 7],
        "where": "/tmp",
    }


def test_a_table_on_a_narrow_terminal_breaks_no_word(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    heads = ["level", "calibration error", "from confidence", "difference"]
    Console().table("Figures", heads, [["masterCategory", 0.0127, "", "+3.75"], ["articleType", 1.5, "never", "-0.10"]])
    shown = re.sub(r"\x1b\[[0-9;]*m", "", capfd.readouterr().out)
    for word in ("masterCategory", "articleType", "calibration", "confidence", "difference", "+3.75"):
        assert word in shown
    assert "┃" not in shown, "a frame would need more room than there is"
    assert re.search(r"masterCategory +0\.0127 +\+3\.75", shown)


def test_shares_are_written_with_their_sign_and_stand_right_as_numbers_do(capfd: pytest.CaptureFixture[str]) -> None:
    assert [percent(0.689), percent(1, 0), percent(None), percent(float("nan"))] == ["68.9%", "100%", "", ""]
    Console().table("Shares", ["level", "a rather wide head"], [("master", percent(0.1)), ("article", percent(None))])
    row = next(line for line in capfd.readouterr().out.splitlines() if "10.0%" in line)
    assert row.endswith("             10.0% │")


def test_a_mean_over_no_class_is_a_dash(capfd: pytest.CaptureFixture[str]) -> None:
    p = Predicted(np.array(["a", "b"], object), np.array(["a", "a"], object), np.array([0.9, 0.8]))
    Console().metrics("Of 2 items", Evaluation("test", dict.fromkeys(Level, p)).metrics())
    said = capfd.readouterr().out
    assert said.count("│        – │") == len(Level)
    assert "0 of masterCategory, 0 of articleType" in said
