"""A job server that fails: an HTTP server on loopback that answers as Ray's does, up to a point."""

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tagger.cluster.submission import Submission
from tagger.errors import TaggerError, UsageError

VERSION = {"version": "4", "ray_version": "2.60.0", "ray_commit": "x", "session_name": "x"}


@contextmanager
def job_server(answer: tuple[int, str]) -> Iterator[str]:
    """An address that says its version, answers a submitted job so, and knows nothing else."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(*((200, json.dumps(VERSION)) if self.path == "/api/version" else (500, "gone\n.")))

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self._send(*answer)

        def log_message(self, *words: object) -> None:
            pass

        def _send(self, status: int, text: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_cluster_that_does_not_take_a_command_is_named_with_the_reason() -> None:
    with (
        job_server(
            (500, "Traceback (most recent call last):\n  File x\nServerDisconnectedError: disconnected\n.")
        ) as address,
        pytest.raises(
            TaggerError, match=rf"^--address {address}: .* did not take the command: ServerDisconnectedError"
        ),
    ):
        Submission(address, ["tagger", "recipes"], {})


def test_a_cluster_that_is_lost_while_a_command_runs_is_said() -> None:
    written: list[str] = []
    with job_server((200, json.dumps({"job_id": "j", "submission_id": "j"}))) as address:
        job = Submission(address, ["tagger", "recipes"], {})
        with pytest.raises(TaggerError, match=r"^the end of j is unknown, as the cluster no longer answers"):
            job.follow(written.append)
    assert written and written[0].startswith("the log breaks off here: ")


def test_a_machine_without_rays_client_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(UsageError, match=r"needs the extra cluster.*: pip install 'ray\[default\]'$"):
        Submission("http://127.0.0.1:9", ["tagger", "--version"], {})
