"""Connections for http images: they go to checked addresses only, and close at a deadline for the whole request."""

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


class Deadline:
    """The deadline of one request. Socket timeouts alone would let a server send one byte a second forever."""

    def __init__(self, at: float) -> None:
        self.at = at
        self.expired = False
        self._socket: socket.socket | None = None

    def attach(self, connected: socket.socket | None) -> None:
        """Set the socket that is shut down at the deadline. Raises TimeoutError when that has passed."""
        self._socket = connected
        if self.expired:
            raise TimeoutError("the deadline has passed")

    def expire(self) -> None:
        """Shut the socket down, which ends the read that waits on it."""
        self.expired = True
        if self._socket is not None:
            with suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # below TLS, which would send a reply first


class DeadlineWatcher:
    """A thread that ends requests at their deadlines."""

    def __init__(self) -> None:
        self._deadlines: set[Deadline] = set()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._next_wakeup = float("inf")

    @contextmanager
    def limit(self, seconds: float) -> Iterator[Deadline]:
        """End this thread's requests inside the `with` after some seconds."""
        deadline = Deadline(time.monotonic() + seconds)
        _current.deadline = deadline
        with self._changed:
            self._deadlines.add(deadline)
            self._start()
            if deadline.at < self._next_wakeup:
                self._changed.notify()
        try:
            yield deadline
        finally:
            _current.deadline = None
            with self._changed:
                self._deadlines.discard(deadline)

    @contextmanager
    def stopped(self, deadline: Deadline) -> Iterator[None]:
        """Suspend a request's deadline inside the `with`."""
        began = time.monotonic()
        with self._changed:
            paused, deadline.at = deadline.at, float("inf")
        try:
            yield
        finally:
            with self._changed:
                deadline.at = paused + time.monotonic() - began
                self._changed.notify()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="http-time-limit", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        with self._changed:
            while True:
                now = time.monotonic()
                for deadline in self._deadlines:
                    if deadline.at <= now and not deadline.expired:
                        deadline.expire()
                pending = [deadline.at for deadline in self._deadlines if not deadline.expired]
                self._next_wakeup = min(pending, default=float("inf"))
                self._changed.wait(None if self._next_wakeup == float("inf") else max(0.0, self._next_wakeup - now))


class _Checked:
    """Restricts plain and TLS connections to public and allowed addresses."""

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
    deadline: Deadline | None = getattr(_current, "deadline", None)
    if deadline is not None:
        deadline.attach(connected)


def public_pools(allowed: Sequence[str], per_host: int) -> PoolManager:
    """Connection pools to public addresses, and to private addresses of allowed hosts.

    Proxies of the environment are not used, as they would resolve names themselves.
    """
    plain = type("Connection", (_Connection,), {"allowed": tuple(allowed)})
    tls = type("TLSConnection", (_TLSConnection,), {"allowed": tuple(allowed)})
    pools = PoolManager(num_pools=256, maxsize=per_host)
    pools.pool_classes_by_scheme = {
        "http": type("Pool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
        "https": type("TLSPool", (HTTPSConnectionPool,), {"ConnectionCls": tls}),
    }
    return pools
