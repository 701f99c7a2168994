"""The page's server over real sockets: who sends half a request, or none, or reads nothing, keeps nobody out."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from tagger.review.web.connections import Limits, bounded, network_of

LARGE = 64 * 2**20
SHORT = Limits(head_s=0.2, idle_s=0.2, body_s=0.5)
LONG = Limits(head_s=600, idle_s=600, body_s=600, connections=24, per_address=8)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    request = Request(scope, receive)
    if request.url.path == "/large":
        answer: Response = PlainTextResponse(b"x" * LARGE)
    elif request.url.path == "/unread":
        answer = PlainTextResponse("the body is not looked at")
    else:
        answer = PlainTextResponse(f"{len(await request.body())} bytes")
    await answer(scope, receive, send)


@contextmanager
def serving(limits: Limits) -> Iterator[int]:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("0.0.0.0", 0))
    listener.listen(256)
    config = uvicorn.Config(app, http=bounded(limits), log_level="critical", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = server.force_exit = True
        thread.join()
        listener.close()


@pytest.fixture(scope="module")
def hasty() -> Iterator[int]:
    with serving(SHORT) as port:
        yield port


@pytest.fixture
def crowded() -> Iterator[int]:
    with serving(LONG) as port:
        yield port


def connected(port: int, source: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=30, source_address=(source, 0))


def all_of(connection: socket.socket) -> bytes:
    """What comes until the other side ends it."""
    got = b""
    try:
        while part := connection.recv(65_536):
            got += part
    except ConnectionResetError:
        pass
    return got


def up_to(connection: socket.socket, end: bytes) -> bytes:
    """What comes until it ends so."""
    got = b""
    while not got.endswith(end):
        part = connection.recv(65_536)
        assert part, got
        got += part
    return got


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"", b""),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx-a: ", b"HTTP/1.1 408 "),
        (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nsome", b""),
        (b"GET /unread HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nsome", b"HTTP/1.1 200 "),
    ],
)
def test_half_a_request_is_not_waited_for(hasty: int, sent: bytes, answer: bytes) -> None:
    with connected(hasty) as connection:
        connection.sendall(sent)
        assert all_of(connection).startswith(answer)


def drip(connection: socket.socket, pieces: bytes) -> int:
    """Send a byte whenever nothing has come for a moment; return how many went before the other side ended it."""
    connection.settimeout(0.05)
    for count, byte in enumerate(pieces):
        try:
            connection.sendall(bytes([byte]))
            if not connection.recv(65_536):
                return count
        except TimeoutError:
            continue
        except OSError:
            return count
    return len(pieces)


def test_bytes_that_drip_in_do_not_prolong_it(hasty: int) -> None:
    with connected(hasty) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nx-a: ")
        assert drip(connection, b"a" * 1000) < 1000
    with connected(hasty) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5000\r\n\r\n")
        assert drip(connection, b"a" * 1000) < 1000
    with connected(hasty) as connection:
        connection.sendall(b"GET /unread HTTP/1.1\r\nhost: a\r\ncontent-length: 5000\r\n\r\n")
        up_to(connection, b"not looked at")
        assert drip(connection, b"a" * 1000) < 1000, "nor a body that nobody asked for"


def test_who_does_not_read_the_answer_loses_it(hasty: int) -> None:
    with connected(hasty) as connection:
        connection.sendall(b"GET /large HTTP/1.1\r\nhost: a\r\n\r\n")
        for _ in range(5):  # by then the first has had its time
            with connected(hasty) as another:
                all_of(another)
        assert len(all_of(connection)) < LARGE


def test_a_request_after_another_has_its_own_time_and_what_is_whole_is_answered(hasty: int) -> None:
    with connected(hasty) as connection:
        for _ in range(3):
            connection.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            assert up_to(connection, b"0 bytes").startswith(b"HTTP/1.1 200 ")
        connection.sendall(b"GET / HTTP/1.1\r\n")
        assert all_of(connection).startswith(b"HTTP/1.1 408 ")
    large = b"x" * 300_000
    assert httpx2.post(f"http://127.0.0.1:{hasty}/", content=large).text == "300000 bytes"


def answered(port: int, source: str) -> bool:
    transport = httpx2.HTTPTransport(local_address=source)
    with httpx2.Client(transport=transport, timeout=30) as client:
        return client.get(f"http://127.0.0.1:{port}/").status_code == 200


@pytest.mark.parametrize(
    "half", [b"", b"GET / HTTP/1.1\r\nx-a: ", b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n"]
)
@pytest.mark.parametrize("visitor", ["127.0.0.1", "127.0.0.9"])
def test_half_sent_requests_keep_nobody_out(crowded: int, half: bytes, visitor: str) -> None:
    """From one address, the visitor's own even, and from as many as there are connections."""
    for sources in (["127.0.0.1"], [f"127.0.0.{n}" for n in range(10, 20)]):
        held = []
        for n in range(60):
            connection = connected(crowded, sources[n % len(sources)])
            connection.sendall(half)
            held.append(connection)
        assert all(answered(crowded, visitor) for _ in range(3))
        for connection in held:
            connection.close()


def test_one_address_closes_its_own_connections_and_no_others(crowded: int) -> None:
    with connected(crowded, "127.0.0.5") as patient:
        patient.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n")
        held = [connected(crowded, "127.0.0.6") for _ in range(60)]
        patient.sendall(b"\r\n")
        assert up_to(patient, b"0 bytes").startswith(b"HTTP/1.1 200 ")
        for connection in held:
            connection.close()


@pytest.mark.parametrize(
    ("address", "network"),
    [("10.0.0.7", "10.0.0.7"), ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"), ("::ffff:10.0.0.7", "10.0.0.7"),
     ("fe80::1%eth0", "fe80::/64"), ("testclient", "testclient")],
)  # fmt: skip
def test_an_ipv6_household_is_one_address(address: str, network: str) -> None:
    assert network_of(address) == network
