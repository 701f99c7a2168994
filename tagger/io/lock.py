"""Keeps two processes from writing to one folder: a file lock, or in a bucket a lease that is renewed.

A lease expires, so its holder may lose it without knowing. Fencing: a holder that could not renew in time stops by
itself, before anyone else may take the lease over.
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
"""Age at which others take a lease over."""
_STOPS_S = 45.0
"""Age at which its holder stops; a renewal that is under way then takes at most _TIMEOUT_S."""
_TIMEOUT_S = 10.0
_ATTEMPTS = 6
_CONFLICT_PAUSES_S = (0.1, 0.3, 1.0, 3.0)


@contextmanager
def holding(root: Location, flag: str = "--out") -> Iterator[Callable[[], None]]:
    """Hold a folder while writing to it; yields a check that raises TaggerError once the hold is lost.

    In the main thread, a hold that is lost ends the work even where nothing checks. The lock of a process that was
    killed is free at once on a disk, and in a bucket after a minute, or when the same machine asks for it.

    Args:
        root: The folder; a local one is made, and deleted again if nothing came into it.
        flag: What names the folder, for messages.

    Raises:
        UsageError: when another process holds it, or the folder cannot be written to.
        TaggerError: when the hold was lost.
    """
    with _lease(root, flag) if root.is_s3 else _file_lock(root, flag) as check:
        yield check


def is_held(root: Location) -> bool:
    """Whether a process holds a folder now; nothing is changed by looking."""
    if root.is_s3:
        found = (lease := _Lease(root, ""))._read(lease._client)
        return found is not None and found[2] < _EXPIRES_S and not _died_here(found[0])
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
            os.close(descriptor)  # its last holder deleted the file between our opening and locking it
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
    """An object that is written only if it is as it was: conditional writes decide between two processes."""

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
                found = self._read(self._client)
                if found is not None:
                    body, etag, age_s = found
                    if age_s < _EXPIRES_S and not _died_here(body):
                        hint = f"{age_s:.0f} s ago; if it was killed, try again in a minute"
                        raise _taken(self._root, self._flag, body, hint)
                    condition = {"IfMatch": etag}
                else:
                    condition = {"IfNoneMatch": "*"}
                if self._put(self._client, condition):
                    return
        except (BotoCoreError, ClientError, OSError) as error:
            raise UsageError(f"{self._flag}: cannot write to {self._root}: {first_line(error)}") from error

    def renew_until(self, ended: threading.Event, interrupt: bool) -> None:
        """Renew the lease now and then, until that is of no use; then interrupt the main thread on request."""
        pause = _RENEW_S
        while not ended.wait(pause):
            pause = _RENEW_AGAIN_S
            with suppress(Exception):  # an outage; the next renewal may succeed, or find that another has taken it
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
        """Delete the object if it is still this process's; else it is another's, or expires by itself."""
        from botocore.exceptions import ClientError, ParamValidationError

        with suppress(Exception):
            found = self._read(self._client)
            if found is None or _nonce_of(found[0]) != self._nonce:
                return
            try:
                self._client.delete_object(**self._object, IfMatch=found[1])
            except ParamValidationError:
                self._client.delete_object(**self._object)
            except ClientError as error:
                if _status(error) in (400, 501):  # a service that knows no condition here
                    self._client.delete_object(**self._object)

    def _reason(self) -> str:
        """Why the lease is no longer held; empty while it is."""
        if self._is_lost:
            return "was taken over by another process"
        if _now() - self._written > _STOPS_S:
            return f"could not be held: no renewal for {_now() - self._written:.0f} s, so another process may take it"
        return ""

    def _read(self, client: Any) -> tuple[bytes, str, float] | None:
        from botocore.exceptions import ClientError

        try:
            found = client.get_object(**self._object)
        except ClientError as error:
            if _status(error) == 404 and "Key" in str(error):
                return None
            raise
        age = _server_time(found) - found["LastModified"]
        return found["Body"].read(), found["ETag"], age.total_seconds()

    def _put(self, client: Any, condition: dict[str, str]) -> bool:
        """Write the object; False when another process has."""
        from botocore.exceptions import ClientError

        for pause in (*_CONFLICT_PAUSES_S, None):
            began = _now()
            self._writes += 1
            try:
                answer = client.put_object(**self._object, Body=_signature(self._nonce, self._writes), **condition)
            except ClientError as error:
                if _status(error) == 409 and pause is not None:
                    time.sleep(pause)  # two writes met, and neither counts
                    continue
                if _status(error) in (404, 409, 412):
                    return self._was_written(client)
                raise
            self._etag, self._written = answer["ETag"], began
            return True
        return False

    def _was_written(self, client: Any) -> bool:
        """Whether a write that was refused had been done before: its answer was lost, and it was repeated."""
        now = _now()
        found = self._read(client)
        if found is None or _nonce_of(found[0]) != self._nonce:
            return False
        self._etag, self._written = found[1], now - found[2]
        return True


def _interrupt_main() -> None:
    """Raise KeyboardInterrupt in the main thread, whatever it waits for."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background job ignores the first
        if callable(signal.getsignal(number)):
            signal.pthread_kill(threading.main_thread().ident or 0, number)
            return


def _signature(nonce: str, writes: int) -> bytes:
    """Who holds; another one at every write, so that a write is not taken for an earlier one."""
    pid = os.getpid()
    holder = {"host": socket.gethostname(), "pid": pid, "since": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"}
    holder |= {"processes": _processes(), "started": psutil.Process(pid).create_time(), "nonce": nonce}
    return json.dumps({**holder, "writes": writes}).encode()


def _nonce_of(signature: bytes) -> str:
    with suppress(ValueError, KeyError, TypeError):
        return str(json.loads(signature)["nonce"])
    return ""


def _processes() -> str:
    """What names the processes that this one sees: this boot of this machine, and the namespace of its process ids.

    A host name does not: cloned machines share it, and so do containers.
    """
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot} {Path('/proc/self/ns/pid').stat().st_ino}"


def _died_here(signature: bytes) -> bool:
    """Whether the holder was one of the processes that this one sees, and no longer runs."""
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
    """Seconds on a clock that only goes forward, also while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _status(error: Any) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _server_time(found: Any) -> datetime:
    """The time as the service has it, so that no clock here matters."""
    stated = found["ResponseMetadata"]["HTTPHeaders"].get("date")
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
