"""Where the packages of the extras are not installed: in every process, Ray's workers included."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tagger.demo.drawn_catalogue import Drawn
from tagger.optional import EXTRAS, what_to_install
from tests.test_wheel import ROOT

BLOCKED = {module for packages in EXTRAS.values() for module in packages}
BLOCKER = f"""
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
"""


@pytest.fixture
def lean(tmp_path: Path) -> dict[str, str]:
    """An environment in which Python finds none of these packages."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text(BLOCKER)
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), str(ROOT)])}


def tagger(environment: dict[str, str], *words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tagger.jobs.shell.cli", *map(str, words)]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


@pytest.mark.slow
def test_training_and_tagging_need_none_of_the_extras(
    lean: dict[str, str], drawn: Drawn, small_training: dict[str, object], tmp_path: Path
) -> None:
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(small_training | {"epochs": 1, "split": "stratified"}))
    catalogue = ["--manifest", drawn.manifest, "--images", drawn.images]
    trained = tagger(lean, "train", *catalogue, "--config", tmp_path / "small.yaml", "--out", tmp_path / "bundle")
    assert trained.returncode == 0, trained.stderr
    tagged = tagger(lean, "tag", *catalogue, "--model", tmp_path / "bundle", "--out", tmp_path / "run", "--workers", 1)
    assert tagged.returncode == 0, tagged.stderr
    assert "torch-cpu-float32" in tagged.stderr


@pytest.mark.parametrize(
    ("words", "package"),
    [(["similar", "index", "--id", "1"], "faiss-cpu"), (["review", "--run", "run"], "uvicorn")],
)
def test_a_command_that_needs_a_package_names_it(lean: dict[str, str], words: list[str], package: str) -> None:
    done = tagger(lean, *words)
    assert done.returncode == 2
    assert "which is not installed here: pip install " in done.stderr and package in done.stderr, done.stderr
    assert done.stderr.count("\n") == 1


def test_other_modules_that_are_missing_are_no_matter_of_extras() -> None:
    assert what_to_install(ModuleNotFoundError("No module named 'x'", name="x")) is None
    assert what_to_install(ModuleNotFoundError("No module")) is None
