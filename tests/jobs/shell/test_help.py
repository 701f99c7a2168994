"""What `--help` shows, in a terminal of any width and in a pipe."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from typing import cast

import pytest
import typer.main
from typer.core import TyperCommand, TyperGroup

from tagger.jobs.shell.cli import app
from tagger.jobs.shell.flags import panel_of
from tagger.jobs.shell.registry import JOBS, PANELS
from tagger.schemas.configs.tag import TagConfig
from tagger.schemas.configs.train import TrainConfig
from tagger.schemas.values import Panel
from tests.conftest import Outcome

Run = Callable[..., Outcome]
CLI = [sys.executable, "-m", "tagger.jobs.shell.cli"]
ESCAPE = "\x1b["


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch, tagger: Run) -> Callable[..., list[str]]:
    """The lines of a help in so many columns."""

    def lines(columns: int, *arguments: str) -> list[str]:
        monkeypatch.setenv("COLUMNS", str(columns))
        outcome = tagger(*arguments)
        assert outcome.code == (0 if arguments else 2), outcome.err
        return outcome.out.splitlines()

    return lines


def titles(lines: list[str]) -> list[str]:
    return [match[1] for line in lines if (match := re.match(r"╭─ (.*?) ─+╮$", line))]


def test_the_commands_stand_in_panels_in_the_order_in_which_people_need_them(wide: Callable[..., list[str]]) -> None:
    lines = wide(80, "--help")
    assert titles(lines) == [
        "Start here",
        "Better models",
        "Confidence",
        "Review",
        "Into the PIM",
        "Find and clean",
        "Operate",
    ]
    commands = [match[1] for line in lines if (match := re.match(r"│ (\w+) ", line))]
    assert commands == [name for jobs in PANELS.values() for name in jobs] == list(JOBS)
    assert commands[:4] == ["demo", "check", "train", "tag"]


@pytest.mark.parametrize("columns", [80, 100, 160])
def test_no_description_of_a_command_is_cut_off_or_folded(columns: int, wide: Callable[..., list[str]]) -> None:
    shown = "\n".join(wide(columns, "--help"))
    assert "..." not in shown.replace("[ARGS]...", "")
    for name, config in JOBS.items():
        sentence = (config.__doc__ or "").split("\n")[0]
        assert re.search(rf"│ {name} +{re.escape(sentence)} +│", shown), name


@pytest.mark.parametrize("name", JOBS)
def test_the_help_of_a_command_fits_the_terminal_and_shows_examples_and_what_is_required(
    name: str, wide: Callable[..., list[str]]
) -> None:
    lines = wide(80, name, "--help")
    assert all(len(line) <= 80 for line in lines)
    text = " ".join(" ".join(lines).split())
    usage = text[: text.index("[OPTIONS]")]
    for field, declared in JOBS[name].model_fields.items():
        if declared.is_required():
            assert f"--{field.replace('_', '-')}" in usage, field
    assert "Example" in text
    assert titles(lines)[-1] == "In all commands"
    assert "--config" in text
    assert "--json" in text


def test_the_settings_of_a_training_stand_in_the_panels_of_the_classes_that_declare_them(
    wide: Callable[..., list[str]],
) -> None:
    assert titles(wide(100, "train", "-h")) == [
        "Input and output", "Data", "Images", "Split", "Model", "Training", "Rare leaves", "Augmentation",
        "Engine and speed", "Ray", "S3", "In all commands",
    ]  # fmt: skip
    assert [panel_of(TrainConfig, name) for name in ("out", "recipe", "lr", "backbone", "mixup", "device")] == [
        Panel.IN_AND_OUT, Panel.TRAINING, Panel.TRAINING, Panel.MODEL, Panel.AUGMENTATION, Panel.SPEED,
    ]  # fmt: skip
    assert panel_of(TagConfig, "embeddings") is Panel.SETTINGS


def test_defaults_and_choices_are_shown(wide: Callable[..., list[str]]) -> None:
    text = " ".join(" ".join(wide(160, "train", "--help")).replace("│", " ").split())
    for words in (
        "[default: standard]", "pad|stretch", "[constant|exponential|cosine|one_cycle]", "[default: on; --no-flip]",
    ):  # fmt: skip
        assert words in text


def test_every_setting_of_every_command_has_a_description() -> None:
    for config in JOBS.values():
        for name, field in config.model_fields.items():
            assert field.description, f"{config.__name__}.{name}"


@pytest.mark.parametrize("name", JOBS)
def test_the_examples_of_a_command_are_words_that_it_takes(name: str) -> None:
    group = cast(TyperGroup, typer.main.get_command(app))
    command = cast(TyperCommand, group.commands[name])
    assert JOBS[name].examples
    for example in JOBS[name].examples:
        words = shlex.split(example.partition(" > ")[0])
        given = command.make_context(name, words).params
        present = {key.removesuffix("_as_argument") for key, value in given.items() if value not in (None, [], False)}
        required = {key for key, field in JOBS[name].model_fields.items() if field.is_required()}
        assert required <= present or "config" in present, example


def piped(*arguments: str, **environment: str) -> str:
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "FORCE_COLOR")}
    done = subprocess.run(
        [*CLI, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, env={**kept, **environment}
    )
    assert not done.stderr
    return done.stdout


def test_a_pipe_gets_no_escape_codes_and_wide_lines() -> None:
    text = piped("tag", "--help", GITHUB_ACTIONS="true")
    assert ESCAPE not in text
    assert max(map(len, text.splitlines())) == 120
    assert ESCAPE in piped("tag", "--help", FORCE_COLOR="1")


def test_without_a_word_the_help_is_shown_and_the_exit_code_says_that_nothing_was_done(tagger: Run) -> None:
    outcome = tagger()
    assert outcome.code == 2
    assert outcome.out == tagger("--help").out
    assert (tagger("--help").code, tagger("-h").code, tagger("train", "-h").code) == (0, 0, 0)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands_flags_and_choices(shell: str) -> None:
    script = piped("--show-completion", shell, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert f"complete_{shell}" in script

    def completed(*words: str) -> str:
        line = " ".join(("tagger", *words))
        asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(words)), "_TYPER_COMPLETE_ARGS": line}
        asked |= {"_TAGGER_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
        return piped(**asked)

    assert "duplicates" in completed("dup")
    assert "--manifest" in completed("train", "--man")
    assert "stretch" in completed("train", "--fit", "s")


def test_an_earlier_name_of_a_command_works_and_says_so(tagger: Run) -> None:
    shown = tagger("titles", "--help")
    assert (shown.code, shown.out) == (0, tagger("evidence", "--help").out)
    assert "! tagger titles is an old name of tagger evidence, and works in this release" in shown.err
    assert "titles" not in tagger("--help").out.split("Confidence")[1].split("Review")[0].split("evidence")[0]
