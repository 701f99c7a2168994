"""A proxy before an S3 service that counts, throttles, resets, cuts off and fails, the same way for the same seed.

Writes go through, but for those that are counted: some get no answer although they were done, some meet another one.
"""

import contextlib
import random
import socket
import ssl
import struct
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
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
    answers: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Status and error code of every GET of a path that ends so."""
    region: str = ""
    """Requests that are signed for another region are told this one."""
    counts: Counter[str] = field(default_factory=Counter)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """Path and headers of each GET, their names in lower case."""
    downloads: Counter[str] = field(default_factory=Counter)
    """How often the body of an object was sent, by path."""

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

    def refusal(self, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes] | None:
        """What a GET or HEAD is told in place of the service's answer, whatever is drawn."""
        if self.region and f"/{self.region}/s3/" not in headers.get("authorization", ""):
            return 400, {"x-amz-bucket-region": self.region}, error_body("AuthorizationHeaderMalformed", self.region)
        for end, (status, code) in self.answers.items():
            if path.endswith(end):
                return status, _NONE, error_body(code) if code else b""
        return None

    def of(self, path: str, headers: dict[str, str]) -> str:
        """Draw what happens to a request."""
        with self._lock:
            self.requests.append((path, headers))
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


def error_body(code: str, region: str = "") -> bytes:
    """An error as S3 sends it."""
    named = f"<Region>{region}</Region>" if region else ""
    return f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>It is {code}.</Message>{named}</Error>'.encode()


class _Proxy(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    target: ClassVar[str]
    faults: ClassVar[Faults]

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _pass_on(self) -> None:
        body = self._body()
        asked = {name.lower(): value for name, value in self.headers.items()}
        kind = "fine"
        if self.command in ("GET", "PUT"):
            kind = self.faults.of(self.path, asked) if self.command == "GET" else self.faults.of_write()
        refusal = self.faults.refusal(self.path, asked) if self.command in ("GET", "HEAD") else None
        if refusal:
            self._answer(*refusal)
            return
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
                if self.command == "GET":
                    self.faults.downloads[self.path] += 1
                told = dict(answer.headers)
                if self.faults.region:
                    told["x-amz-bucket-region"] = self.faults.region
                self._answer(answer.status, told, answer.read(), cut=kind == "truncated")
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
def faulty(target: str, faults: Faults, certificate: Path | None = None) -> Iterator[str]:
    """Serve on loopback, over TLS where there is a certificate with its key; yields the address."""
    handler = type("Proxy", (_Proxy,), {"target": target, "faults": faults})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        port = server.server_address[1]
        yield f"https://localhost:{port}" if certificate else f"http://127.0.0.1:{port}"
    finally:
        server.shutdown()
        server.server_close()
