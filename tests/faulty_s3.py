"""A proxy before an S3 service that throttles, resets, cuts off and fails, the same way for the same seed.

Writes go through, but for those that are counted: some get no answer although they were done, some meet another one.
"""

import contextlib
import random
import socket
import struct
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

SLOW_DOWN = b'<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Slow down.</Message></Error>'
INTERNAL = b'<?xml version="1.0"?><Error><Code>InternalError</Code><Message>Try again.</Message></Error>'
CONFLICT = b'<?xml version="1.0"?><Error><Code>ConditionalRequestConflict</Code><Message>Again.</Message></Error>'
_OF_THIS_STRETCH = {"connection", "transfer-encoding", "expect"}
_NONE: dict[str, str] = {}
_REFUSALS = {"throttled": (503, _NONE, SLOW_DOWN), "always": (500, _NONE, INTERNAL), "conflict": (409, _NONE, CONFLICT)}


@dataclass
class Faults:
    """Shares of GET requests that go wrong, what always does, and how many of the next PUT requests do."""

    throttled: float = 0.0
    reset: float = 0.0
    truncated: float = 0.0
    always_failing: str = ""
    lost_answers: int = 0
    conflicts: int = 0
    no_writes: bool = False
    seed: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._lock = threading.Lock()

    def of_write(self) -> str:
        """What happens to the next PUT."""
        with self._lock:
            kind = "fine"
            if self.no_writes:
                kind = "throttled"
            elif self.conflicts:
                self.conflicts, kind = self.conflicts - 1, "conflict"
            elif self.lost_answers:
                self.lost_answers, kind = self.lost_answers - 1, "unanswered"
            self.counts[f"PUT {kind}"] += 1
            return kind

    def of(self, path: str) -> str:
        """Draw what happens to a request."""
        with self._lock:
            drawn = self._random.random()
            kind = "fine"
            if self.always_failing and self.always_failing in path:
                kind = "always"
            elif drawn < self.throttled:
                kind = "throttled"
            elif drawn < self.throttled + self.reset:
                kind = "reset"
            elif drawn < self.throttled + self.reset + self.truncated:
                kind = "truncated"
            self.counts[kind] += 1
            return kind


class _Proxy(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    target: ClassVar[str]
    faults: ClassVar[Faults]

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _pass_on(self) -> None:
        body = self._body()
        kind = "fine"
        if self.command in ("GET", "PUT"):
            kind = self.faults.of(self.path) if self.command == "GET" else self.faults.of_write()
        if kind == "reset":
            self._reset()
            return
        if kind in _REFUSALS:
            self._answer(*_REFUSALS[kind])
            return
        headers = {k: v for k, v in self.headers.items() if k.lower() not in _OF_THIS_STRETCH}
        headers.setdefault("Content-Type", "application/octet-stream")  # urllib would call it a form
        request = urllib.request.Request(self.target + self.path, body, headers, method=self.command)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                if kind == "unanswered":
                    self._reset()
                    return
                self._answer(answer.status, dict(answer.headers), answer.read(), cut=kind == "truncated")
        except urllib.error.HTTPError as error:
            self._answer(error.code, dict(error.headers), error.read())

    def _body(self) -> bytes | None:
        """What is uploaded, of a known length or in chunks."""
        if "chunked" not in (self.headers.get("Transfer-Encoding") or ""):
            length = int(self.headers.get("Content-Length") or 0)
            return self.rfile.read(length) if length else None
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass_on  # noqa: N815

    def _answer(self, status: int, headers: dict[str, str], body: bytes, cut: bool = False) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "connection", "transfer-encoding", "date", "server"):
                self.send_header(name, value)
        size = int(headers.get("Content-Length", len(body))) if self.command == "HEAD" else len(body)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        with contextlib.suppress(OSError):
            if self.command != "HEAD":
                self.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            self.close_connection = True


@contextmanager
def faulty(target: str, faults: Faults) -> Iterator[str]:
    """Serve on loopback; yields the address."""
    handler = type("Proxy", (_Proxy,), {"target": target, "faults": faults})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
