"""What MLflow gets, on a real server of its newest release, which has an environment of its own."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow.artifacts import download_artifacts
from mlflow.tracking import MlflowClient

from tagger.errors import TaggerError
from tagger.io.location import Location
from tagger.models.bundle import Bundle
from tagger.registry.versions import NamedModel
from tagger.workflows.models import add_model, promote_model, rollback_model
from tests.once import Once
from tests.tagger.registry.test_registry import another, models

pytestmark = pytest.mark.slow
_STARTS_WITHIN_S = 120


def _environment(folder: Path) -> None:
    """Install MLflow whole: its server asks for other libraries than the product's."""
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    command = [str(folder / "venv/bin/pip"), "install", "--quiet", "--disable-pip-version-check", "mlflow"]
    subprocess.run(command, check=True, capture_output=True, timeout=500)


@pytest.fixture(scope="module")
def server(once: Once, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an MLflow server that keeps artifacts, too."""
    binaries = once("mlflow", _environment) / "venv/bin"
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(binaries / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += [
        "--backend-store-uri",
        f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination",
        str(folder / "files"),
    ]
    path = f"{binaries}{os.pathsep}{os.environ['PATH']}"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"PATH": path, "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait(f"{address}/health", process, folder / "log")
        yield address
    finally:
        process.terminate()
        process.wait(30)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    ends = time.monotonic() + _STARTS_WITHIN_S
    while True:
        assert process.poll() is None and time.monotonic() < ends, log.read_text()[-3000:]
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                assert response.read() == b"OK"
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)


@pytest.mark.timeout(900)
def test_mlflow_has_the_versions_with_their_files_and_the_aliases_follow(
    server: str, bundle_dir: Path, tmp_path: Path
) -> None:
    first = another(bundle_dir, tmp_path / "first", 4.0)
    second = another(bundle_dir, tmp_path / "second", 6.0)
    name = tmp_path / "models/fashion"
    add_model(models("add", first, to=str(name), alias="champion", note="the first"))
    added = add_model(models("add", second, to=str(name), mlflow=server))  # the first one is told late
    assert added.mlflow == {"v1": "1", "v2": "2"}
    client = MlflowClient(server, server)
    assert client.get_registered_model("fashion").aliases == {"champion": "1"}
    promote_model(models("promote", f"{name}@v2", without_comparison=True, note="trying", mlflow=server))
    found = client.get_model_version_by_alias("fashion", "champion")
    assert found.tags == {"catalog_tagger.version": "v2", "modelId": added.version.model_id}
    os.environ["MLFLOW_TRACKING_URI"] = server
    try:
        local = download_artifacts(f"models:/fashion/{found.version}", dst_path=str(tmp_path / "got"))
    finally:
        del os.environ["MLFLOW_TRACKING_URI"]
    assert Bundle.load(Location(local)).card.model_id == added.version.model_id
    assert Path(local, "report/index.html").read_text() == "figures"
    rollback_model(models("rollback", name, mlflow=server))
    assert client.get_registered_model("fashion").aliases == {"champion": "1"}
    again = add_model(models("add", second, to=str(name), mlflow=server))
    assert again.mlflow == {"v1": "1", "v2": "2"}
    assert len(client.search_model_versions("name = 'fashion'")) == 2


def test_where_mlflow_cannot_be_reached_the_registry_has_the_change_and_it_is_said(
    bundle_dir: Path, tmp_path: Path
) -> None:
    name = tmp_path / "models/fashion"
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        with pytest.raises(TaggerError, match="the same command tells MLflow again"):
            add_model(models("add", bundle_dir, to=str(name), alias="champion", mlflow=address))
    assert NamedModel(Location(str(name))).aliases().aliases == {"champion": "v1"}
