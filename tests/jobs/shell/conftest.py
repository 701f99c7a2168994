"""A nightly command, and a server on loopback that keeps what it is told."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.builders import encoded, picture
from tests.jobs.test_nightly import ENGINE, manifest


class Receiver(ThreadingHTTPServer):
    """Keeps what is posted; answers with `status`, after `pause_s`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[dict[str, object]] = []
        self.status, self.pause_s = 200, 0.0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook/s3cret"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        self.server.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        time.sleep(self.server.pause_s)
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


@pytest.fixture
def words(tmp_path: Path, bundle_dir: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A command that tags five items, of which one has no image."""
    monkeypatch.chdir(tmp_path)
    Path("images").mkdir()
    for number in range(4):
        Path(f"images/{number}.jpg").write_bytes(encoded(picture(seed=number)))
    manifest(tmp_path, range(5))
    return ["tag", "--manifest", "m.csv", "--images", "images", "--model", str(bundle_dir), "--engine", ENGINE,
            "--max-failed", "100%", "--job", "nightly"]  # fmt: skip
