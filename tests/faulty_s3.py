"""A proxy before an S3 service that throttles, resets, cuts off and fails, the same way for the same seed."""

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


@dataclass
class Faults:
    """Shares of GET requests that go wrong, and what always does."""

    throttled: float = 0.0
    reset: float = 0.0
    truncated: float = 0.0
    always_failing: str = ""
    seed: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._lock = threading.Lock()

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
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else None
        kind = self.faults.of(self.path) if self.command == "GET" else "fine"
        if kind == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
            return
        if kind in ("throttled", "always"):
            self._answer(503 if kind == "throttled" else 500, {}, SLOW_DOWN if kind == "throttled" else INTERNAL)
            return
        headers = {k: v for k, v in self.headers.items() if k.lower() not in ("connection", "transfer-encoding")}
        request = urllib.request.Request(self.target + self.path, body, headers, method=self.command)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                self._answer(answer.status, dict(answer.headers), answer.read(), cut=kind == "truncated")
        except urllib.error.HTTPError as error:
            self._answer(error.code, dict(error.headers), error.read())

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
