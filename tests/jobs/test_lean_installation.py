"""Where the packages of the extras are not installed: in every process, Ray's workers included."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tagger.demo.drawn_catalogue import Drawn
from tagger.engines.process import EngineProcess, EngineRequest
from tagger.engines.sample import RunSample
from tagger.io.location import Location
from tagger.models.bundle import Bundle
from tagger.optional import EXTRAS, what_to_install
from tagger.runs.staging import shard_of, stage
from tests.builders import catalog_of
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


BOTH = """
import json, sys
from pathlib import Path
from tagger import TagConfig, TrainConfig, tag, train
from tagger.cluster.session import ray_session
from tagger.schemas.configs.options import RayOptions

training, tagging = json.loads(Path(sys.argv[1]).read_text())
with ray_session(RayOptions(), with_data=True):
    train(TrainConfig.model_validate(training))
    print(tag(TagConfig.model_validate(tagging)).record.engine.engine)
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
    """Both in one process, on one Ray."""
    catalogue = {"manifest": str(drawn.manifest), "images": str(drawn.images)}
    training = catalogue | small_training | {"out": str(tmp_path / "bundle"), "epochs": 1, "split": "stratified"}
    tagging = catalogue | {"model": str(tmp_path / "bundle"), "out": str(tmp_path / "run")}
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps([training, tagging]))
    done = subprocess.run([sys.executable, "-c", BOTH, str(settings)], env=lean, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "torch-cpu-float32"


@pytest.mark.slow
def test_the_process_that_chooses_an_engine_needs_none_of_the_extras(
    lean: dict[str, str], drawn: Drawn, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", lean["PYTHONPATH"])
    process = EngineProcess()
    manifest, store = catalog_of(drawn.manifest, drawn.images)
    work = Location(str(tmp_path / "work"))
    staged = stage(manifest, store, work, Location(str(tmp_path / "rejects")), 1000)
    shards = [shard_of(work, number) for number in range(staged.shards)]
    try:
        chosen = process.choose(
            EngineRequest(bundle, "auto", 0, RunSample(shards, store, bundle.card, 10**8), None), "cpu"
        )
    finally:
        process.close()
    assert chosen and chosen[0].name == "torch-cpu-float32"


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
