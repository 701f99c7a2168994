"""Fixtures that several packages' tests share: drawn catalogues, a bundle, Ray, an S3 server on loopback."""

import contextlib
import io
import json
import os
import pickle
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import hypothesis
import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run side by side, on networks too small for two threads
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # PyTorch's idle threads would take the cores that others need
os.environ.setdefault("AWS_ACCESS_KEY_ID", "test")  # moto takes any; Ray's workers inherit these
os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "test")
os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")

import torch

from tagger.demo.drawn_catalogue import ARTICLES, Drawn, draw_catalogue
from tagger.io.json_text import as_json
from tagger.io.location import Location
from tagger.jobs import demo
from tagger.jobs.shell import cli
from tagger.jobs.shell.console import Console
from tagger.models.bundle import Bundle
from tagger.schemas.configs.demo import DemoConfig
from tagger.schemas.configs.options import RayOptions
from tagger.schemas.configs.train import TrainConfig
from tests.builders import card
from tests.once import Once

# A property test that names no number of its own tries 100 examples; CI tries the same ones each time.
hypothesis.settings.register_profile(
    "bounded", max_examples=100, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.register_profile("ci", hypothesis.settings.get_profile("bounded"), derandomize=True, database=None)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "bounded")

_SLOW_FIXTURES = {"embedded_ray", "browser", "postgres_address"}


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark slow tests."""
    if _is_slow(item):
        item.add_marker("slow")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the tests marked `gpu` to machines that have one; several processes begin with the slow files."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        slow_files = {item.path for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: item.path not in slow_files)
    if torch.cuda.is_available():
        return
    left_out = [item for item in items if item.get_closest_marker("gpu")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def _is_slow(item: pytest.Item) -> bool:
    """Whether a test is marked so, or has a fixture that starts Ray, a browser or a database server."""
    if not isinstance(item, pytest.Function) or item.get_closest_marker("slow"):
        return item.get_closest_marker("slow") is not None
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    return not _SLOW_FIXTURES.isdisjoint(item.fixturenames) or "postgres" in parameters


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # a background job of a shell ignores Ctrl-C, and so would the commands that tests start and interrupt
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    return Once(tmp_path_factory)


@pytest.fixture(scope="session")
def drawn(once: Once) -> Drawn:
    """A small catalogue with every oddity; the same files for all processes of a test run."""

    def make(folder: Path) -> None:
        catalogue = draw_catalogue(folder, 280, seed=3, views=0)
        (folder / "drawn.pickle").write_bytes(pickle.dumps(catalogue))

    catalogue: Drawn = pickle.loads((once("drawn", make) / "drawn.pickle").read_bytes())
    return catalogue


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    """A bundle over the drawn leaves with random weights: quick to make, and the same every time."""
    from tagger.models.classifier import new_classifier, pack

    torch.manual_seed(0)
    draft = card(list(ARTICLES))
    return pack(draft, new_classifier(draft, "none").state_dict())


@pytest.fixture(scope="session")
def bundle_dir(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle") / "bundle"
    bundle.save(Location(str(folder)))
    return folder


@pytest.fixture(scope="session")
def embedded_ray() -> Iterator[None]:
    """One Ray for all tests of a session; the jobs find it and leave it running."""
    from tagger.cluster.session import ray_session

    root = Path(__file__).parent.parent  # its workers import what is defined in tests
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(root), os.environ.get("PYTHONPATH"))))
    with ray_session(RayOptions(), with_data=True):
        yield


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str


class _TextAndJson(Console):
    """Prints what a command prints, and what it prints with --json as a line."""

    def result(self, document: dict[str, Any]) -> None:
        print(json.dumps(json.loads(as_json(document))))


@pytest.fixture(scope="session")
def demo_out(once: Once, embedded_ray: None) -> Path:
    """What `tagger demo` makes by default, for all tests; `printed.txt` beside it has what it prints."""

    def make(folder: Path) -> None:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            assert demo.run(DemoConfig(out=str(folder / "demo-out")), _TextAndJson()) == 0
        (folder / "printed.txt").write_text(printed.getvalue(), encoding="utf-8")

    return once("demo", make) / "demo-out"


@pytest.fixture
def tagger(capfd: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Runs the command line in this process."""

    def run(*arguments: object) -> Outcome:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main([str(a) for a in arguments])
        captured = capfd.readouterr()
        return Outcome(int(ended.value.code or 0), captured.out, captured.err)

    return run


@dataclass(frozen=True)
class S3Server:
    """An S3 service on loopback with one bucket."""

    endpoint: str
    bucket: str

    def client(self) -> object:
        return boto3.client("s3", endpoint_url=self.endpoint)

    def put(self, key: str, data: bytes) -> str:
        boto3.client("s3", endpoint_url=self.endpoint).put_object(Bucket=self.bucket, Key=key, Body=data)
        return f"s3://{self.bucket}/{key}"


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    from moto.server import ThreadedMotoServer

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    found = S3Server(f"http://127.0.0.1:{port}", "shop")
    boto3.client("s3", endpoint_url=found.endpoint).create_bucket(Bucket=found.bucket)
    yield found
    server.stop()


@pytest.fixture(scope="session")
def small_training() -> dict[str, object]:
    """Settings that train the small CNN on the drawn catalogue in seconds."""
    assert set(TrainConfig.model_fields) >= {"backbone", "lr"}
    return {
        "backbone": "small_cnn",
        "weights": "none",
        "image_size": "48x36",
        "min_items": 8,
        "val": 0.15,
        "test": 0.15,
        "batch_size": 16,
        "lr": 6e-3,
        "head_lr": 6e-3,
        "patience": 0,
    }
