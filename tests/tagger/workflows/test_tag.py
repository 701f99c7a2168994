"""Tagging as a Python user calls it, and what the command says of the same run."""

import logging
from pathlib import Path

import pytest

from tagger.demo.drawn_catalogue import Drawn
from tagger.jobs.shell.console import Console
from tagger.jobs.tag import run
from tagger.schemas.configs.tag import TagConfig
from tagger.workflows.tag import TagResult, tag

pytestmark = pytest.mark.usefixtures("embedded_ray")


@pytest.fixture(scope="module")
def config(drawn: Drawn, bundle_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> TagConfig:
    out = tmp_path_factory.mktemp("tagged") / "run"
    return TagConfig(manifest=str(drawn.manifest), images=str(drawn.images), model=str(bundle_dir), out=str(out))


@pytest.fixture(scope="module")
def result(config: TagConfig) -> TagResult:
    return tag(config)


def test_a_run_in_python_is_given_back_with_its_counts_and_its_predictions(result: TagResult) -> None:
    assert result.counts.rows == result.counts.predictions + result.counts.rejects
    assert len(result.directory.read(["id"])) == result.counts.predictions
    assert result.failed.counts == result.counts.errors
    assert result.predictions.files((".parquet",))
    assert result.nothing_to_tag is None


def test_words_go_to_the_log_and_not_to_standard_output(
    config: TagConfig, result: TagResult, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.INFO, "tagger"):
        again = tag(config)
    assert again.record == result.record
    assert caplog.messages[0] == f"Opening {config.model} and {config.manifest}"
    assert "is done already" in caplog.text
    assert capfd.readouterr().out == ""


@pytest.mark.usefixtures("result")
def test_the_command_says_which_one_is_next(config: TagConfig, capsys: pytest.CaptureFixture[str]) -> None:
    run(config, Console())
    assert capsys.readouterr().out.splitlines()[-1] == f"Next: tagger review --run {config.out}"


def test_a_catalogue_that_has_all_its_labels_is_not_tagged_and_says_so(
    config: TagConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = tmp_path / "m.csv"
    manifest.write_text("id,masterCategory,articleType\n1,Apparel,Shirts\n2,Apparel,Shirts\n", encoding="utf-8")
    changes = {"manifest": str(manifest), "out": str(tmp_path / "run"), "untagged_only": True}
    assert run(config.model_copy(update=changes), Console()) == 0
    said = capsys.readouterr()
    assert "! Nothing to tag: all 2 items have both labels already; leave out --untagged-only to tag them" in said.err
    assert "already labelled" in said.out
    assert "Next:" not in said.out
