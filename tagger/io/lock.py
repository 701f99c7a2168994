"""Keeps two processes from writing to one folder: a file lock, or in a bucket a lease that its holder renews.

A lease expires, so its holder may lose it without knowing. Fencing: a holder that could not renew in time stops
before another process may take the lease over.
"""

import fcntl
import json
import os
import signal
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from tagger.errors import TaggerError, UsageError
from tagger.io.location import Location, first_line
from tagger.io.s3 import s3_client
from tagger.io.signals import restorer

_NAME = "_lock"
_RENEW_S, _RENEW_AGAIN_S = 15.0, 3.0
_EXPIRES_S = 60.0
"""Age at which other processes may take a lease over."""
_STOPS_S = 45.0
"""Age at which its holder stops; a renewal in progress then takes at most _TIMEOUT_S."""
_TIMEOUT_S = 10.0
_ATTEMPTS = 6
_CONFLICT_PAUSES_S = (0.1, 0.3, 1.0, 3.0)


@contextmanager
def holding(root: Location, flag: str = "--out") -> Iterator[Callable[[], None]]:
    """Lock a folder while writing to it; yields a check that raises TaggerError once the lock is lost.

    In the main thread, a lost lock interrupts the work even where nothing checks. After a kill, a lock on a disk is
    free at once, a lease in a bucket after a minute, or at once for the same machine.

    Args:
        root: The folder; a local one is created, and deleted again if it stays empty.
        flag: Names the folder in messages.

    Raises:
        UsageError: when another process holds the lock, or the folder cannot be written to.
        TaggerError: when the lock was lost.
    """
    with _lease(root, flag) if root.is_s3 else _file_lock(root, flag) as check:
        yield check


def is_held(root: Location) -> bool:
    """Whether a process holds a folder's lock now; this changes nothing."""
    if root.is_s3:
        stored = _Lease(root, "").stored()
        return stored is not None and stored.is_live()
    try:
        descriptor = os.open(Path(root.path) / _NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextmanager
def _file_lock(root: Location, flag: str) -> Iterator[Callable[[], None]]:
    path = Path(root.path) / _NAME
    if path.parent.exists() and not path.parent.is_dir():
        raise UsageError(f"{flag}: {root} is a file; name a new folder")
    is_new = not path.parent.exists()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                holder = os.read(descriptor, 4096)
                os.close(descriptor)
                raise _taken(root, flag, holder) from error
            if path.exists() and os.fstat(descriptor).st_ino == path.stat().st_ino:
                break
            os.close(descriptor)  # its last holder deleted the file between open and lock
        os.ftruncate(descriptor, 0)
        os.write(descriptor, _signature(uuid.uuid4().hex, 0))
    except OSError as error:
        raise UsageError(f"{flag}: cannot write to {root}: {first_line(error)}") from error
    try:
        yield lambda: None
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)
        if is_new:
            with suppress(OSError):  # it is not empty
                path.parent.rmdir()


@contextmanager
def _lease(root: Location, flag: str) -> Iterator[Callable[[], None]]:
    lease = _Lease(root, flag)
    lease.take()
    ended = threading.Event()
    is_main = threading.current_thread() is threading.main_thread()
    restore_handlers = restorer()
    thread = threading.Thread(target=lease.renew_until, args=(ended, is_main), name="lease", daemon=True)
    thread.start()
    try:
        try:
            yield lease.check
        finally:
            ended.set()
            thread.join()
    except KeyboardInterrupt:
        if is_main and lease.is_over():  # the interruption was the lease's: the next signal is a user's first one
            restore_handlers()
        lease.check()
        raise
    finally:
        lease.release()


class _Lease:
    """A lease as an object in a bucket; conditional writes decide between two processes."""

    def __init__(self, root: Location, flag: str) -> None:
        self._root = root
        self._flag = flag
        self._client = s3_client(root.s3_endpoint, root.s3_region, 2, attempts=_ATTEMPTS)
        self._renewing = s3_client(root.s3_endpoint, root.s3_region, 2, read_timeout_s=_TIMEOUT_S)
        bucket, _, prefix = root.path.partition("/")
        self._object = {"Bucket": bucket, "Key": f"{prefix}/{_NAME}"}
        self._nonce = uuid.uuid4().hex
        self._etag = ""
        self._writes = 0
        self._written = 0.0
        self._is_lost = False

    def take(self) -> None:
        """Take the lease. Raises UsageError when another process has it, or the bucket cannot be written to."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            while True:
                stored = self.stored()
                if stored is not None:
                    if stored.is_live():
                        hint = f"{stored.age_s:.0f} s ago; if it was killed, try again in a minute"
                        raise _taken(self._root, self._flag, stored.body, hint)
                    condition = {"IfMatch": stored.etag}
                else:
                    condition = {"IfNoneMatch": "*"}
                if self._put(self._client, condition):
                    return
        except (BotoCoreError, ClientError, OSError) as error:
            raise UsageError(f"{self._flag}: cannot write to {self._root}: {first_line(error)}") from error

    def renew_until(self, ended: threading.Event, interrupt: bool) -> None:
        """Renew the lease until it ends or is lost; then interrupt the main thread on request."""
        pause = _RENEW_S
        while not ended.wait(pause):
            pause = _RENEW_AGAIN_S
            with suppress(Exception):  # an outage; the next renewal may succeed, or find the lease taken over
                self._is_lost = not self._put(self._renewing, {"IfMatch": self._etag})
                pause = _RENEW_S
            if self.is_over():
                if interrupt and not ended.is_set():
                    _interrupt_main()
                return

    def is_over(self) -> bool:
        """Whether another process has the lease, or may have it."""
        return bool(self._reason())

    def check(self) -> None:
        """Raise TaggerError when another process has the lease, or may have it."""
        reason = self._reason()
        if reason:
            raise TaggerError(f"{self._root} {reason}; this one stops")

    def release(self) -> None:
        """Delete the object if this process still holds the lease."""
        from botocore.exceptions import ClientError, ParamValidationError

        with suppress(Exception):
            stored = self.stored()
            if stored is None or _nonce_of(stored.body) != self._nonce:
                return
            try:
                self._client.delete_object(**self._object, IfMatch=stored.etag)
            except ParamValidationError:
                self._client.delete_object(**self._object)
            except ClientError as error:
                if _status(error) in (400, 501):  # a service without conditional deletes
                    self._client.delete_object(**self._object)

    def _reason(self) -> str:
        """Why the lease is no longer held; empty while it is."""
        if self._is_lost:
            return "was taken over by another process"
        if _now() - self._written > _STOPS_S:
            return f"could not be held: no renewal for {_now() - self._written:.0f} s, so another process may take it"
        return ""

    def stored(self) -> "_StoredLease | None":
        """The lease in the bucket; None where there is none."""
        return self._read(self._client)

    def _read(self, client: Any) -> "_StoredLease | None":
        from botocore.exceptions import ClientError

        try:
            response = client.get_object(**self._object)
        except ClientError as error:
            if _status(error) == 404 and "Key" in str(error):
                return None
            raise
        age = _server_time(response) - response["LastModified"]
        return _StoredLease(response["Body"].read(), response["ETag"], age.total_seconds())

    def _put(self, client: Any, condition: dict[str, str]) -> bool:
        """Write the object; False when another process has written it."""
        from botocore.exceptions import ClientError

        for pause in (*_CONFLICT_PAUSES_S, None):
            began = _now()
            self._writes += 1
            try:
                response = client.put_object(**self._object, Body=_signature(self._nonce, self._writes), **condition)
            except ClientError as error:
                if _status(error) == 409 and pause is not None:
                    time.sleep(pause)  # two writes collided, and neither was done
                    continue
                if _status(error) in (404, 409, 412):
                    return self._was_written(client)
                raise
            self._etag, self._written = response["ETag"], began
            return True
        return False

    def _was_written(self, client: Any) -> bool:
        """Whether a refused write is the retry of one that succeeded, whose response was lost."""
        now = _now()
        stored = self._read(client)
        if stored is None or _nonce_of(stored.body) != self._nonce:
            return False
        self._etag, self._written = stored.etag, now - stored.age_s
        return True


@dataclass(frozen=True)
class _StoredLease:
    """A lease as stored in the bucket."""

    body: bytes
    etag: str
    age_s: float

    def is_live(self) -> bool:
        """Whether its holder may still be running."""
        return self.age_s < _EXPIRES_S and not _died_here(self.body)


def _interrupt_main() -> None:
    """Raise KeyboardInterrupt in the main thread, even while it waits."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background job ignores the first
        if callable(signal.getsignal(number)):
            signal.pthread_kill(threading.main_thread().ident or 0, number)
            return


def _signature(nonce: str, writes: int) -> bytes:
    """The holder as JSON; each write differs, so that none is mistaken for an earlier one."""
    pid = os.getpid()
    holder = {"host": socket.gethostname(), "pid": pid, "since": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"}
    holder |= {"processes": _processes(), "started": psutil.Process(pid).create_time(), "nonce": nonce}
    return json.dumps({**holder, "writes": writes}).encode()


def _nonce_of(signature: bytes) -> str:
    with suppress(ValueError, KeyError, TypeError):
        return str(json.loads(signature)["nonce"])
    return ""


def _processes() -> str:
    """Identifies the processes that this one sees: this boot of this machine, and the namespace of its process ids.

    A host name does not: cloned machines share it, and so do containers.
    """
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot} {Path('/proc/self/ns/pid').stat().st_ino}"


def _died_here(signature: bytes) -> bool:
    """Whether the holder ran among the processes that this one sees, and no longer runs."""
    with suppress(ValueError, KeyError, TypeError, OSError):
        holder = json.loads(signature)
        if holder["processes"] != _processes():
            return False
        try:
            return bool(psutil.Process(holder["pid"]).create_time() != holder["started"])
        except psutil.NoSuchProcess:
            return True
        except psutil.Error:
            return False
    return False


def _now() -> float:
    """Seconds on a monotonic clock that also runs while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _status(error: Any) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _server_time(response: Any) -> datetime:
    """The service's time, so that this machine's clock does not matter."""
    stated = response["ResponseMetadata"]["HTTPHeaders"].get("date")
    return datetime.strptime(stated, "%a, %d %b %Y %H:%M:%S %Z").replace(tzinfo=UTC) if stated else datetime.now(UTC)


def _taken(root: Location, flag: str, signature: bytes, seen: str = "") -> UsageError:
    try:
        holder = json.loads(signature)
        who = f"process {holder['pid']} on {holder['host']} since {holder['since']}"
    except (ValueError, KeyError, TypeError):
        who = "another process"
    return UsageError(
        f"{flag}: {root} is taken: {who} works on it{f', last seen {seen}' if seen else ''}. "
        "Let it finish, or name another folder"
    )
