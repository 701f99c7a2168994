"""One reviewed run, and a server of it, for all tests of the command."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.review_server import ReviewServer, make_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, bundle_dir: Path, embedded_ray: None) -> Path:
    return make_run(tmp_path_factory.mktemp("review"), bundle_dir)


@pytest.fixture(scope="module")
def server(run: Path) -> Iterator[ReviewServer]:
    with ReviewServer(run, "--database", str(run.parent / "shared.sqlite")) as started:
        yield started


@pytest.fixture
def fresh(run: Path, tmp_path: Path) -> list[str]:
    """Flags for a database of its own, and a run that nobody has reviewed."""
    shutil.rmtree(run / "decisions", ignore_errors=True)
    return ["--database", str(tmp_path / "own.sqlite")]
