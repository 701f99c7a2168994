"""Connections for http images: to checked addresses only, and closed when a request takes too long in all."""

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from tagger.images.http.public_hosts import connect

_current = threading.local()


class Guard:
    """The time limit of one request. Timeouts of a socket alone let a server send one byte a second for ever."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.expired = False
        self._socket: socket.socket | None = None

    def attach(self, connected: socket.socket | None) -> None:
        """Name the socket that is to be shut down. Raises TimeoutError when the time is over already."""
        self._socket = connected
        if self.expired:
            raise TimeoutError("the time is over")

    def expire(self) -> None:
        """Shut the socket down: whoever reads from it is let go."""
        self.expired = True
        if self._socket is not None:
            with suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # past TLS, which would answer first


class Watch:
    """A thread that lets requests go whose time is over."""

    def __init__(self) -> None:
        self._guards: set[Guard] = set()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._wakes_at = float("inf")

    @contextmanager
    def limit(self, seconds: float) -> Iterator[Guard]:
        """Requests of this thread inside the `with` end after so many seconds."""
        guard = Guard(time.monotonic() + seconds)
        _current.guard = guard
        with self._changed:
            self._guards.add(guard)
            self._start()
            if guard.deadline < self._wakes_at:
                self._changed.notify()
        try:
            yield guard
        finally:
            _current.guard = None
            with self._changed:
                self._guards.discard(guard)

    @contextmanager
    def stopped(self, guard: Guard) -> Iterator[None]:
        """Inside the `with`, a request's time does not pass."""
        began = time.monotonic()
        with self._changed:
            left, guard.deadline = guard.deadline, float("inf")
        try:
            yield
        finally:
            with self._changed:
                guard.deadline = left + time.monotonic() - began
                self._changed.notify()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="http-time-limit", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        with self._changed:
            while True:
                now = time.monotonic()
                for guard in self._guards:
                    if guard.deadline <= now and not guard.expired:
                        guard.expire()
                left = [guard.deadline for guard in self._guards if not guard.expired]
                self._wakes_at = min(left, default=float("inf"))
                self._changed.wait(None if self._wakes_at == float("inf") else max(0.0, self._wakes_at - now))


class _Checked:
    """What plain and TLS connections have in common: where they may connect to, and their time limit."""

    allowed: Sequence[str] = ()

    def _checked_socket(self: Any) -> socket.socket:
        try:
            return connect(self._dns_host, self.port, self.timeout, self.allowed)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(self, f"{self.host} does not answer") from error
        except OSError as error:
            raise NewConnectionError(self, str(error)) from error


class _Connection(_Checked, HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return self._checked_socket()

    def getresponse(self) -> Any:
        _attach(self.sock)
        return super().getresponse()


class _TLSConnection(_Checked, HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return self._checked_socket()

    def getresponse(self) -> Any:
        _attach(self.sock)
        return super().getresponse()


def _attach(connected: socket.socket | None) -> None:
    guard: Guard | None = getattr(_current, "guard", None)
    if guard is not None:
        guard.attach(connected)


def checked_pools(allowed: Sequence[str], per_host: int) -> PoolManager:
    """Pools of connections to public addresses, and to private ones of the hosts that are allowed.

    Proxies that the environment names are not used: they would resolve names themselves.
    """
    plain = type("Connection", (_Connection,), {"allowed": tuple(allowed)})
    tls = type("TLSConnection", (_TLSConnection,), {"allowed": tuple(allowed)})
    pools = PoolManager(num_pools=256, maxsize=per_host)
    pools.pool_classes_by_scheme = {
        "http": type("Pool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
        "https": type("TLSPool", (HTTPSConnectionPool,), {"ConnectionCls": tls}),
    }
    return pools
