"""Searching for a recipe: all trials are accounted for, a kill loses none that were done, the winner is a recipe."""

import csv
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tagger.demo.drawn_catalogue import Drawn
from tagger.schemas.configs.search import SearchSpace
from tagger.training import recipes
from tagger.training.leaderboard import best_so_far
from tagger.training.progress import Trial
from tagger.training.search_on_ray import _Settings
from tagger.workflows.tune import fitting_trials
from tests.conftest import Outcome
from tests.jobs.test_interruptions import WAIT_S, start

Run = Callable[..., Outcome]
EPOCHS = 12  # so many that trials are left when the kill comes
SETTINGS = {"backbone": "small_cnn", "weights": "none", "image_size": "48x36", "min_items": 8, "batch_size": 16}


@pytest.mark.parametrize(("cores", "gib", "at_once"), [(2, 12, 2), (64, 40, 20), (4, 1, 1), (16, 32.5, 16)])
def test_as_many_trials_run_at_once_as_cores_and_memory_hold(cores: int, gib: float, at_once: int) -> None:
    assert fitting_trials(cores, gib * 2**30) == at_once


@pytest.fixture
def space(tmp_path: Path) -> Path:
    file = tmp_path / "space.yaml"
    document = {
        "recipe": "standard",
        "set": {**SETTINGS, "epochs": EPOCHS, "patience": 0},
        "space": {"lr": [1e-5, 6e-3], "optimiser": ["adamw", "rmsprop"]},
    }
    file.write_text(yaml.safe_dump(document))
    return file


def arguments(drawn: Drawn, space: Path, out: Path) -> list[object]:
    return ["tune", "--manifest", drawn.manifest, "--images", drawn.images, "--space", space, "--out", out]


@pytest.mark.usefixtures("embedded_ray")
def test_a_search_that_is_killed_goes_on_with_the_trials_that_are_left(
    tagger: Run, drawn: Drawn, space: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNE_GLOBAL_CHECKPOINT_S", "1")  # how often Ray Tune writes down what is finished
    out = tmp_path / "search"
    command = [*arguments(drawn, space, out), "--concurrent", 1, "--no-stop-bad-trials"]
    process = start(*command)
    done = wait_for_finished_trials(out, 2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(WAIT_S)
    assert not (out / "best.yaml").exists()

    again = tagger(*command, "--json")
    assert again.code == 0, again.err
    assert "Going on with the trials that are left" in again.err
    trials = json.loads(again.out)["trials"]
    assert len({(t["lr"], t["optimiser"]) for t in trials}) == len(trials) == 4
    assert {t["epochs_run"] for t in trials} == {EPOCHS}
    assert done <= {round(t["seconds"], 6) for t in trials}, "finished trials are not run again"

    board = pd.read_csv(out / "leaderboard.csv")
    assert board["val_loss"].is_monotonic_increasing
    assert board["lr"].iloc[0] == 6e-3
    assert set(board["optimiser"]) == {"adamw", "rmsprop"}
    assert (out / "leaderboard.svg").read_text().startswith("<svg")
    best = recipes.load(str(out / "best.yaml"))
    assert best.settings["lr"] == 6e-3
    assert best.settings["epochs"] == EPOCHS
    assert not (out / "_work").exists()

    once_more = tagger(*command)
    assert (once_more.code, "nothing to do" in once_more.err) == (0, True)
    other = tagger(*command, "--set", f"epochs={EPOCHS + 1}")
    assert (other.code, "another space" in other.err) == (2, True)


def test_a_trial_that_ended_at_the_kill_is_not_waited_for() -> None:
    settings = _Settings(max_concurrent=1)
    settings._live_trials = {"ended"}
    again = _Settings(max_concurrent=1)
    again.set_state(settings.get_state())
    assert again._live_trials == set()


def wait_for_finished_trials(out: Path, count: int) -> set[float]:
    """The seconds that trials took which are finished, and which Ray Tune has noted as finished."""
    folder = out / "_work/search"
    deadline = time.monotonic() + WAIT_S
    seconds: set[float] = set()
    while time.monotonic() < deadline:
        if len(seconds) < count:
            tables = [list(csv.DictReader(file.open())) for file in folder.glob("*/progress.csv")]
            seconds = {round(sum(float(r["seconds"]) for r in rows), 6) for rows in tables if len(rows) == EPOCHS}
        notes = sorted(folder.glob("experiment_state-*.json"))
        if len(seconds) >= count and notes and notes[-1].read_text().count("TERMINATED") >= len(seconds):
            return seconds
        time.sleep(0.05)
    pytest.fail(f"no {count} trials were finished")


@pytest.mark.usefixtures("embedded_ray")
def test_settings_are_drawn_at_random_from_ranges_and_bad_trials_end_early(
    tagger: Run, drawn: Drawn, tmp_path: Path
) -> None:
    space = tmp_path / "space.yaml"
    ranges = {"lr": {"from": 1e-5, "to": 1e-2, "log": True}, "image_size": ["48x36", "32x24"]}
    fixed = {name: value for name, value in SETTINGS.items() if name != "image_size"}
    space.write_text(yaml.safe_dump({"set": {**fixed, "epochs": 3, "patience": 0}, "space": ranges}))
    common = arguments(drawn, space, tmp_path / "search")
    undecided = tagger(*common)
    assert (undecided.code, "--trials" in undecided.err) == (2, True)
    outcome = tagger(*common, "--trials", 4, "--sample", 120, "--seed", 5, "--concurrent", 1, "--json")
    assert outcome.code == 0, outcome.err
    trials = json.loads(outcome.out)["trials"]
    assert len({t["lr"] for t in trials}) == 4
    assert all(1e-5 <= t["lr"] <= 1e-2 for t in trials)
    assert {t["image_size"] for t in trials} <= {"48x36", "32x24"}
    assert min(t["epochs_run"] for t in trials) < 3 == max(t["epochs_run"] for t in trials)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("recipe: fast\nlr: [0.001]", "the settings to try stand below `space:`"),
        ("recipe: fast", "tagger schema space describes the file, with examples"),
        ("space: {lr: []}", "there is nothing to choose from"),
        ("space: {speed: [1]}", "speed: a recipe has no such field"),
        ("space: {lr: [1, -1]}", "lr: -1 is out of range; it must be more than 0"),
        ("set: {lr: 1}\nspace: {lr: [1, 2]}", "stands under both"),
        ("space: {lr: {from: 2, to: 1}}", "from is not below to"),
        ("space: {epochs: {from: 2, to: 6}}", "whole numbers only"),
        ("space: {min_items: [10, 50]}", "the same in all trials"),
    ],
)
def test_a_space_that_cannot_be_is_refused(tagger: Run, drawn: Drawn, tmp_path: Path, text: str, problem: str) -> None:
    space = tmp_path / "space.yaml"
    space.write_text(text)
    outcome = tagger(*arguments(drawn, space, tmp_path / "out"))
    assert (outcome.code, problem in outcome.err) == (2, True), outcome.err
    assert "--space" in outcome.err
    assert not (tmp_path / "out").exists()


def test_the_examples_of_a_space_that_its_schema_shows_are_spaces(tagger: Run) -> None:
    outcome = tagger("schema", "space")
    assert outcome.code == 0, outcome.err
    examples = json.loads(outcome.out)["examples"]
    assert [SearchSpace.model_validate(example).combinations for example in examples] == [4, 0]


def test_a_trial_that_came_to_nothing_is_not_the_best_so_far() -> None:
    lost = Trial({"lr": 1e18}, ({"score": float("nan"), "val_accuracy": float("nan")},))
    assert best_so_far([]) == best_so_far([lost]) == ""
    won = Trial({"lr": 0.01}, ({"score": -1.0, "val_accuracy": 0.5},))
    assert best_so_far([lost, won]) == "best val accuracy 50.00% with lr 0.01"


def test_the_published_grid_has_its_24_trials() -> None:
    from tagger.training import spaces

    found = spaces.load("frozen-heads")
    assert found.combinations == 24
    assert found.set["frozen_epochs"] == 3
