"""Limits on the server's connections: timeouts for slow clients, and a cap for each client address.

uvicorn has no timeout for a request's head or for the reader of a response, and refuses all clients once it has too
many connections. Here requests must arrive in time; when there are too many connections, one without a complete request
is closed, of the address that has the most of these.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from typing import cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_TOO_MANY = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_HEAD, _PIECE, _BODY, _READER = "head", "piece", "body", "reader"


@dataclass(frozen=True)
class Limits:
    """Timeouts in seconds, and numbers of connections."""

    head_s: float = 10
    """From the connection, or a request's first byte, to the end of its head."""
    idle_s: float = 20
    """Between two pieces of a body, and until the client reads more of a response."""
    body_s: float = 120
    """For the whole body."""
    connections: int = 256
    per_address: int | None = 64
    """None behind a proxy, whose address all connections share."""


def bounded(limits: Limits) -> type[H11Protocol]:
    """uvicorn's protocol for HTTP/1.1, within limits."""
    return type("Bounded", (_Bounded,), {"limits": limits})


def network_of(address: str) -> str:
    """What counts as one client: an IPv4 address, or an IPv6 /64 network, which one household gets."""
    try:
        parsed = ip_address(address.split("%", 1)[0])
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    return str(parsed.ipv4_mapped or ip_network((parsed, 64), strict=False))


class _Bounded(H11Protocol):
    limits: Limits

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._got_bytes = False
        self._opened = self.loop.time()
        super().connection_made(transport)
        self._network = network_of(self.client[0]) if self.client else ""
        if not self._make_room():
            transport.write(_TOO_MANY)
            transport.close()
        self._watch()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._got_bytes = True
        self._stop(_PIECE)
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._got_bytes = False
        self._watch()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._watch()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._start(_READER, self.limits.idle_s, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.transport.is_closing():
            self._stop(_READER)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop(*self._timers)
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Start and stop timers by what the connection waits for."""
        to_come = self.conn.their_state
        if self.transport.is_closing():  # the rest is still sent if the client reads it
            self._stop(_HEAD, _PIECE, _BODY)
            self._start(_READER, self.limits.idle_s, self.transport.abort)
        elif to_come is h11.SEND_BODY:
            self._stop(_HEAD)
            self._start(_PIECE, self.limits.idle_s, self._end)
            self._start(_BODY, self.limits.body_s, self._end)
        elif to_come is h11.IDLE and self.timeout_keep_alive_task is None:  # otherwise uvicorn closes it
            self._stop(_PIECE, _BODY)
            self._start(_HEAD, self.limits.head_s, self._end)
        else:
            self._stop(_HEAD, _PIECE, _BODY)

    def _end(self) -> None:
        """Close a connection without a complete request; a browser may have opened it speculatively."""
        if self._got_bytes and self.conn.our_state is h11.IDLE:
            self.transport.write(_TOO_SLOW)
        self.transport.close()
        self._watch()

    def _make_room(self) -> bool:
        """Close another connection where there are too many; return whether there is room now."""
        others = [one for one in cast("Iterable[_Bounded]", self.connections) if one is not self]
        neighbours = [one for one in others if one._network == self._network]
        if self.limits.per_address is not None and len(neighbours) >= self.limits.per_address:
            return _close_one(neighbours)
        return len(others) < self.limits.connections or _close_one(others)

    def _start(self, name: str, seconds: float, then: Callable[[], None]) -> None:
        if name not in self._timers:
            self._timers[name] = self.loop.call_later(seconds, then)

    def _stop(self, *names: str) -> None:
        for name in names:
            timer = self._timers.pop(name, None)
            if timer is not None:
                timer.cancel()


def _close_one(connections: Iterable[_Bounded]) -> bool:
    """Close an incomplete connection, the oldest of the address that has most; return whether there was one."""
    incomplete = [one for one in connections if not one.transport.is_closing()]
    for state in (h11.IDLE, h11.SEND_BODY):
        spare = [one for one in incomplete if one.conn.their_state is state]
        if spare:
            most, _ = Counter(one._network for one in spare).most_common(1)[0]
            oldest = min((one for one in spare if one._network == most), key=lambda one: one._opened)
            oldest.connections.discard(oldest)
            oldest.transport.abort()
            return True
    return False
