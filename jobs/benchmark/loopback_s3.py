"""Serves the files of a folder as the objects of a bucket, over S3's protocol on loopback, in a process of its own.

It does as little as an S3 service can: HEAD, and GET with `If-None-Match` or of a range, over connections that stay
open. It checks no signature, because its work takes a core's time from the job that is measured.
"""

import argparse
import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import unquote

BUCKET = "bench"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_DEFAULT_REGION": "us-east-1"}
"""The environment of its clients: any keys will do."""
_END = b"\r\n\r\n"
_NO_SUCH_KEY = b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>NoSuchKey</Code><Message>No.</Message></Error>'


class _Connection(asyncio.Protocol):
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while _END in self._received:
            request, _, self._received = self._received.partition(_END)
            self._transport.write(self._answer(request))

    def _answer(self, request: bytes) -> bytes:
        line, *headers = request.split(b"\r\n")
        method, target, _ = line.split(b" ")
        key = unquote(target.decode("ascii").partition("?")[0]).removeprefix(f"/{BUCKET}/")
        asked = re.search(rb"\r\nrange: *bytes=(\d+)-(\d+)", request, re.IGNORECASE)
        status, etag, span, body = b"404 Not Found", b"", b"", _NO_SUCH_KEY
        with suppress(OSError), (self._folder / key).open("rb") as file:
            about = os.fstat(file.fileno())
            status, etag, first, end = b"200 OK", b'"%x"' % about.st_mtime_ns, 0, about.st_size
            if asked:
                first, end = int(asked[1]), min(int(asked[2]) + 1, end)
                status = b"206 Partial Content"
                span = b"Content-Range: bytes %d-%d/%d\r\n" % (first, end - 1, about.st_size)
            file.seek(first)
            body = file.read(end - first)
        known = [h.split(b":", 1)[1].strip() for h in headers if h.lower().startswith(b"if-none-match:")]
        if etag and etag in known:
            status, body = b"304 Not Modified", b""
        return (
            b"HTTP/1.1 %s\r\nContent-Type: image/jpeg\r\nLast-Modified: Sun, 01 Nov 2026 00:00:00 GMT\r\n"
            b"x-amz-request-id: 0\r\nETag: %s\r\nContent-Length: %d\r\n%s\r\n%s"
            % (status, etag, len(body), span, b"" if method == b"HEAD" else body)
        )


async def _serve(folder: Path) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(folder), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def loopback_s3(folder: Path) -> Iterator[str]:
    """Serve a folder's files as `s3://bench/NAME`; yields the endpoint."""
    command = [sys.executable, "-P", "-m", "tagger.jobs.benchmark.loopback_s3", "--folder", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    asyncio.run(_serve(parser.parse_args().folder))
