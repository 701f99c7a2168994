"""One name for one thing, the names of the last release, and what is said of wrong values."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tagger.errors import UsageError
from tagger.jobs.shell.build_config import build_config
from tagger.jobs.shell.registry import JOBS
from tagger.schemas.configs.check import CheckConfig
from tagger.schemas.configs.confidence import PolicyConfig
from tagger.schemas.configs.evaluate import EvaluateConfig
from tagger.schemas.configs.similarity import DuplicatesConfig, IndexConfig, RetrievalConfig
from tagger.schemas.configs.tag import TagConfig
from tagger.schemas.configs.train import CombineConfig, ResultsConfig, TrainConfig, TuneConfig
from tagger.schemas.documents.taxonomy import Level
from tests.conftest import Outcome

Run = Callable[..., Outcome]
SHOP = {"manifest": "m.csv", "out": "o"}


def built(config: Any, given: dict[str, Any], file: Path | None = None) -> tuple[Any, list[str]]:
    said: list[str] = []
    return build_config(config, file, given, said.append), said


@pytest.mark.parametrize(
    ("config", "given", "old", "new", "value"),
    [
        (PolicyConfig, {"target_precision": ["0.9"]}, "bundle", "model", "b"),
        (IndexConfig, {"run": ["r"], "out": "o"}, "labels", "manifest", "m.csv"),
        (RetrievalConfig, {**SHOP, "index": ["i"]}, "bundle", "model", "b"),
        (DuplicatesConfig, {**SHOP, "index": "i"}, "bundle", "model", "b"),
        (TuneConfig, {**SHOP, "space": "s"}, "pretrained", "weights", {"resnet18": "none"}),
        (ResultsConfig, SHOP, "recipes", "recipe", ["fast"]),
        (ResultsConfig, SHOP, "seeds", "seed", [1]),
        (CombineConfig, SHOP, "bundles", "model", ["a", "b"]),
    ],
)
def test_a_name_of_the_last_release_goes_on_with_one_line_that_names_todays(
    config: Any, given: dict[str, Any], old: str, new: str, value: Any, tmp_path: Path
) -> None:
    flag = [f"{k}={v}" for k, v in value.items()] if isinstance(value, dict) else value
    by_flag, said = built(config, {**given, old: flag})
    assert getattr(by_flag, new) == value
    assert said == [f"--{old} is called --{new} now; the old name goes with the next release"]
    (tmp_path / "c.yaml").write_text(f"{old}: {value}\n")
    by_file, said = built(config, given, tmp_path / "c.yaml")
    assert by_file == by_flag
    assert said == [f"--config {tmp_path}/c.yaml: {old} is called {new} now; the old name goes with the next release"]
    assert built(config, {**given, new: flag}) == (by_flag, [])
    with pytest.raises(UsageError, match=f"--{old} and --{new} are one thing"):
        built(config, {**given, old: flag, new: flag})


def test_python_takes_the_old_names_too() -> None:
    assert PolicyConfig.model_validate({"bundle": "b", "target_precision": 0.9}).model == "b"
    with pytest.raises(ValueError, match="bundle and model are one setting: give model alone"):
        PolicyConfig.model_validate({"bundle": "b", "model": "b", "target_precision": 0.9})


def test_labels_is_a_second_name_for_the_manifest_of_an_evaluation() -> None:
    config, said = built(EvaluateConfig, {"run": "r", "labels": "m.csv", "out": "o"})
    assert (config.manifest, said) == ("m.csv", [])


def test_what_may_stand_without_its_flag_may_have_it(tagger: Run, tmp_path: Path) -> None:
    target = ["--target-precision", "0.9"]
    by_place, by_flag = (tagger("policy", *words, *target) for words in ([tmp_path], ["--model", tmp_path]))
    assert by_place == by_flag
    assert str(tmp_path) in by_flag.err
    several = built(CombineConfig, {**SHOP, "model": ["a", "b"]})[0]
    assert several == built(CombineConfig, {**SHOP, "model_as_argument": ["a", "b"]})[0]
    twice = tagger("policy", tmp_path, "--model", tmp_path, *target)
    assert (twice.code, "MODEL and --model are one thing" in twice.err) == (2, True)


def test_the_names_of_one_thing_are_the_same_in_all_commands() -> None:
    """No command calls a manifest, a bundle, a run, an index or a folder to write to by another name."""
    others = {"labels", "bundle", "bundles", "runs", "indexes", "folder", "pretrained", "recipes", "output"}
    assert not {(job, name) for job, config in JOBS.items() for name in others & set(config.model_fields)}


@pytest.mark.parametrize(
    ("config", "given", "said"),
    [
        (TrainConfig, {"epochs": "ten"}, "--epochs: 'ten' is not a whole number"),
        (TrainConfig, {"lr": "fast"}, "--lr: 'fast' is not a number"),
        (TrainConfig, {"val": "1.5"}, "--val: '1.5' is out of range; it must be less than 1.0"),
        (
            PolicyConfig,
            {"model": "b", "target_precision": ["articleType=95", "masterCategory=0.9"]},
            "--target-precision articleType=95: '95' is out of range; it must be 1 or less, such as 0.95 for 95%",
        ),
        (
            TagConfig,
            {"model": "b", "qa_sample": "5"},
            "--qa-sample: '5' is out of range; it must be 1.0 or less, such as 0.05 for 5%",
        ),
        (TrainConfig, {"batch_size": "1"}, "--batch-size: '1' is out of range; it must be 2 or more"),
        (TrainConfig, {"fit": "streched"}, "--fit: 'streched' is none of pad and stretch (did you mean stretch?)"),
        (TrainConfig, {"hidden": ["12", "x"]}, "--hidden: 'x' is not a whole number"),
        (
            CheckConfig,
            {"column": ["foo=bar"]},
            "--column: 'foo' is no role; ROLE=COLUMN names one of id, masterCategory, articleType, imageUri, image",
        ),
        (CheckConfig, {"column": ["sku"]}, "--column: 'sku' is not KEY=VALUE"),
        (CheckConfig, {"column": ["id=sku", "sku"]}, "--column sku: is not KEY=VALUE"),
        (CheckConfig, {"delimiter": ":"}, "--delimiter: ':' is none of auto, ,, ;, tab and |"),
        (
            TagConfig,
            {"model": "b", "accept_above": ["articletype=0.9"]},
            "--accept-above articletype=…: 'articletype' is none of masterCategory and articleType "
            "(did you mean articleType?)",
        ),
        (
            TagConfig,
            {"model": "b", "accept_above": ["articleType=sure"]},
            "--accept-above articleType=sure: 'sure' is not a number",
        ),
    ],
)
def test_a_wrong_value_is_told_in_plain_words(config: Any, given: dict[str, Any], said: str) -> None:
    shop = {name: value for name, value in SHOP.items() if name in config.model_fields}
    with pytest.raises(UsageError) as error:
        built(config, {**shop, **given})
    assert str(error.value) == said


def test_keys_of_a_file_are_told_like_flags(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("epoch: 3\nflip: maybe\nseed: null\naugment: 1\n")
    with pytest.raises(UsageError) as error:
        built(TrainConfig, dict(SHOP), file)
    assert str(error.value).splitlines() == [
        f"--config {file}: flip: 'maybe' is not true or false",
        f"--config {file}: seed: null is not a whole number",
        f"--config {file}: unknown key 'epoch' (did you mean epochs?)",
        f"--config {file}: unknown key 'augment'",
    ]


def test_a_secret_that_is_too_short_is_not_repeated(tagger: Run) -> None:
    outcome = tagger("review", "--run", "r", "--token", "hunter2")
    assert outcome.err == "tagger: --token: is too short; it has 12 characters or more\n"


def test_both_forms_of_a_switch_are_taken() -> None:
    assert not built(TrainConfig, {**SHOP, "flip_as_negation": True})[0].flip
    assert built(TrainConfig, {**SHOP, "flip": True})[0].flip
    with pytest.raises(UsageError, match="--flip and --no-flip: give one of the two"):
        built(TrainConfig, {**SHOP, "flip": True, "flip_as_negation": True})


def test_one_threshold_for_both_levels_needs_no_name() -> None:
    config, _ = built(PolicyConfig, {"model": "b", "target_precision": ["0.9"]})
    assert config.target_precision == dict.fromkeys(Level, 0.9)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["chek"], "No such command 'chek'. Did you mean 'check', 'schema'?; tagger --help shows what there is"),
        (["check", "--manifst", "m"], "; tagger check --help shows what there is"),
        (["check", "--manifest"], "; tagger check --help shows what there is"),
    ],
)
def test_a_wrong_word_on_the_command_line_is_one_line(words: list[str], said: str, tagger: Run) -> None:
    outcome = tagger(*words)
    assert outcome.code == 2
    assert outcome.err.startswith("tagger: ")
    assert said in outcome.err
    assert outcome.err.count("\n") == 1
