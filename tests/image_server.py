"""An image server on loopback whose paths say how it misbehaves: it redirects, throttles, stalls, cuts off, lies."""

import contextlib
import gzip
import hashlib
import socket
import ssl
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_BOMB = gzip.compress(bytes(20_000_000))
HOSTILE_ETAGS = [
    "*", "unquoted", '""', '"a", "b"', '"a","b"', '"a" ', '"gr\xfcn"', '"ta\tb"', '"' + "x" * 255 + '"', "W/", "w/\"a\""
]  # fmt: skip
HTML = b"<!doctype html><html><body>Sign in</body></html>"


class ImageServer:
    """Counts its requests, and serves an image. A path is `/KIND/NAME`; KIND names a method of the handler."""

    def __init__(self, image: bytes) -> None:
        self.image = image
        self.images: dict[str, bytes] = {}
        """By path, those that are served in place of the image."""
        self.requests: Counter[str] = Counter()
        self.revision = 1
        self.sent: Counter[str] = Counter()
        """How often an image was sent, by path."""
        self.conditions: list[str | None] = []
        """What each request had as If-None-Match."""
        self.headers: list[dict[str, str]] = []
        self.in_flight = self.most_in_flight = 0
        self.closing = threading.Event()
        self.lock = threading.Lock()
        self.address = ""
        self.port = 0

    def count(self, path: str, headers: dict[str, str]) -> int:
        """Count a request; return the number of earlier requests for its path."""
        with self.lock:
            self.requests[path] += 1
            self.headers.append(headers)
            self.conditions.append(headers.get("If-None-Match"))
            return self.requests[path] - 1

    def url(self, path: str) -> str:
        return f"{self.address}/{path}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: ImageServer

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        before = self.site.count(self.path, dict(self.headers))
        with self.site.lock:
            self.site.in_flight += 1
            self.site.most_in_flight = max(self.site.most_in_flight, self.site.in_flight)
        try:
            answer: Callable[[int], None] = getattr(self, f"answer_{self.path.split('/')[1]}", self.answer_ok)
            with contextlib.suppress(OSError):
                answer(before)
        finally:
            with self.site.lock:
                self.site.in_flight -= 1

    def send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def image(self) -> bytes:
        self.site.sent[self.path] += 1
        return self.site.images.get(self.path, self.site.image)

    def answer_ok(self, before: int) -> None:
        """The image with an ETag, whatever the condition says."""
        self.send(200, self.image(), ETag='"1"')

    def answer_tagged(self, before: int) -> None:
        """The image, unless the condition names its ETag."""
        image = self.site.images.get(self.path, self.site.image)
        self.answer_on_condition(f'"{hashlib.md5(image, usedforsecurity=False).hexdigest()}"')

    def answer_weak(self, before: int) -> None:
        self.answer_on_condition(f'W/"{len(self.site.images.get(self.path, self.site.image))}"')

    def answer_same(self, before: int) -> None:
        """Every path has the same ETag."""
        self.answer_on_condition('"same"')

    def answer_revised(self, before: int) -> None:
        """The ETag says how often the server was set up anew, whatever the bytes are."""
        self.answer_on_condition(f'"revision-{self.site.revision}"')

    def answer_on_condition(self, etag: str) -> None:
        if self.headers.get("If-None-Match") == etag:
            self.send(304, b"", ETag=etag)
        else:
            self.send(200, self.image(), ETag=etag)

    def answer_hostile(self, before: int) -> None:
        """An ETag that nobody should send back; the path ends with its number."""
        self.send(200, self.image(), ETag=HOSTILE_ETAGS[int(self.path.rsplit("/", 1)[-1])])

    def answer_unmodified(self, before: int) -> None:
        """304, whether there was a condition or not."""
        self.send(304, b"")

    def answer_movedtagged(self, before: int) -> None:
        self.send(302, b"elsewhere", Location="../tagged/" + self.path.rsplit("/", 1)[-1], ETag='"of the redirect"')

    def answer_together(self, before: int) -> None:
        self.site.closing.wait(0.02)
        self.answer_ok(before)

    def answer_moved(self, before: int) -> None:
        self.send(302, b"elsewhere", Location="../ok/" + self.path.rsplit("/", 1)[-1])

    def answer_circle(self, before: int) -> None:
        self.send(301, b"", Location="/circle/b" if self.path.endswith("a") else "/circle/a")

    def answer_far(self, before: int) -> None:
        self.send(301, b"", Location=self.path + "x")

    def answer_elsewhere(self, before: int) -> None:
        """Redirect to the same server by another name, which nobody allowed."""
        self.send(302, b"", Location=f"http://localhost:{self.site.port}/ok/private.jpg")

    def answer_ftp(self, before: int) -> None:
        self.send(302, b"", Location="ftp://example.com/1.jpg")

    def answer_plain(self, before: int) -> None:
        self.send(302, b"", Location=f"http://localhost:{self.site.port}/ok/1.jpg")

    def answer_throttled(self, before: int) -> None:
        self.answer_ok(before) if before else self.send(429, b"slow down", Retry_After="0")

    def answer_unavailable(self, before: int) -> None:
        self.answer_ok(before) if before >= 2 else self.send(503, b"later")

    def answer_broken(self, before: int) -> None:
        self.send(500, b"no")

    def answer_reset(self, before: int) -> None:
        if before:
            return self.answer_ok(before)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        return self.connection.close()

    def answer_cut(self, before: int) -> None:
        if before:
            return self.answer_ok(before)
        self.close_connection = True
        return self.send(200, self.site.image[:-100], Content_Length=str(len(self.site.image)))

    def answer_alwayscut(self, before: int) -> None:
        self.answer_cut(0)

    def answer_chunks(self, before: int) -> None:
        """Chunked; the first time without its end."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        half = len(self.site.image) // 2
        for part in (self.site.image[:half], self.site.image[half:]) if before else (self.site.image[:half],):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        if before:
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = not before

    def answer_stalled(self, before: int) -> None:
        self.close_connection = True
        self.send(200, self.site.image[:50], Content_Length=str(len(self.site.image)))
        self.site.closing.wait()

    def answer_silent(self, before: int) -> None:
        self.site.closing.wait()

    def answer_dribbling(self, before: int) -> None:
        """One byte after another, each in good time for a timeout of the socket."""
        self.close_connection = True
        self.send(200, b"", Content_Length="1000000")
        while not self.site.closing.wait(0.02):
            self.wfile.write(b"x")

    def answer_dribblingheaders(self, before: int) -> None:
        self.close_connection = True
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not self.site.closing.wait(0.02):
            self.wfile.write(b"x")

    def answer_missing(self, before: int) -> None:
        self.send(404, HTML)

    def answer_gone(self, before: int) -> None:
        self.send(410, HTML)

    def answer_secret(self, before: int) -> None:
        self.send(403, HTML)

    def answer_basic(self, before: int) -> None:
        self.answer_ok(before) if self.headers.get("Authorization") == "Basic bWU6cCB3" else self.send(401, HTML)

    def answer_teapot(self, before: int) -> None:
        self.send(418, b"")

    def answer_html(self, before: int) -> None:
        self.send(200, HTML)

    def answer_large(self, before: int) -> None:
        self.send(200, b"x" * 200_000)

    def answer_endless(self, before: int) -> None:
        """No length; as long as somebody reads."""
        self.close_connection = True
        self.send_response(200)
        self.end_headers()
        while not self.site.closing.is_set():
            self.wfile.write(b"x" * 65536)

    def answer_gzip(self, before: int) -> None:
        self.send(200, gzip.compress(self.site.image), Content_Encoding="gzip")

    def answer_bomb(self, before: int) -> None:
        self.send(200, _BOMB, Content_Encoding="gzip")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that leave are no fault."""


@contextmanager
def serving(image: bytes, certificate: Path | None = None, port: int = 0) -> Iterator[ImageServer]:
    """Serve an image on loopback, over TLS where there is a certificate with its key; at a free port without one."""
    site = ImageServer(image)
    server = _Server(("127.0.0.1", port), type("Handler", (_Handler,), {"site": site}))
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    site.port = server.server_address[1]
    site.address = f"https://localhost:{site.port}" if certificate else f"http://127.0.0.1:{site.port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.closing.set()
        server.shutdown()
        server.server_close()
