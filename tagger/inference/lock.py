"""Keeps two processes from working on one run: a file lock, or in a bucket a lease that is renewed."""

import fcntl
import json
import os
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tagger.catalog.s3_images import s3_client
from tagger.errors import TaggerError, UsageError
from tagger.storage import Location, first_line

_NAME = "_lock"
_RENEW_S, _EXPIRES_S = 15.0, 60.0


@contextmanager
def holding(root: Location) -> Iterator[Callable[[], None]]:
    """Hold a run's folder; yields a check that raises TaggerError once another process has taken it over.

    The lock of a process that was killed is free at once on a disk, and after a minute in a bucket.

    Raises:
        UsageError: when another process holds it, or the folder cannot be written to.
    """
    with _lease(root) if root.is_s3 else _file_lock(root) as check:
        yield check


@contextmanager
def _file_lock(root: Location) -> Iterator[Callable[[], None]]:
    path = Path(root.path) / _NAME
    if path.parent.exists() and not path.parent.is_dir():
        raise UsageError(f"--out: {root} is a file; name a new folder")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                holder = os.read(descriptor, 4096)
                os.close(descriptor)
                raise _taken(root, holder) from error
            if path.exists() and os.fstat(descriptor).st_ino == path.stat().st_ino:
                break
            os.close(descriptor)  # its last holder deleted the file between our opening and locking it
        os.ftruncate(descriptor, 0)
        os.write(descriptor, _signature())
    except OSError as error:
        raise UsageError(f"--out: cannot write to {root}: {first_line(error)}") from error
    try:
        yield lambda: None
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


@contextmanager
def _lease(root: Location) -> Iterator[Callable[[], None]]:
    lease = _Lease(root)
    lease.take()
    ended = threading.Event()
    thread = threading.Thread(target=lease.renew_until, args=(ended,), name="lease", daemon=True)
    thread.start()
    try:
        yield lease.check
    finally:
        ended.set()
        thread.join()
        lease.release()


class _Lease:
    """An object that is written only if it is as it was: conditional writes decide between two processes."""

    def __init__(self, root: Location) -> None:
        self._root = root
        self._client = s3_client(root.s3_endpoint, root.s3_region, 2, attempts=6)
        bucket, _, prefix = root.path.partition("/")
        self._object = {"Bucket": bucket, "Key": f"{prefix}/{_NAME}"}
        self._etag = ""
        self._lost = False

    def take(self) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            while True:
                found = self._read()
                if found is not None:
                    body, etag, age_s = found
                    if age_s < _EXPIRES_S and not _died_here(body):
                        raise _taken(self._root, body, f"{age_s:.0f} s ago; if it was killed, try again in a minute")
                    condition = {"IfMatch": etag}
                else:
                    condition = {"IfNoneMatch": "*"}
                if self._put(condition):
                    return
        except (BotoCoreError, ClientError, OSError) as error:
            raise UsageError(f"--out: cannot write to {self._root}: {first_line(error)}") from error

    def renew_until(self, ended: threading.Event) -> None:
        while not ended.wait(_RENEW_S):
            with suppress(Exception):  # an outage; the next renewal may succeed, or find that another has taken it
                self._lost = not self._put({"IfMatch": self._etag})
            if self._lost:
                return

    def check(self) -> None:
        if self._lost:
            raise TaggerError(f"{self._root} was taken over by another process; this one stops")

    def release(self) -> None:
        with suppress(Exception):  # it expires by itself
            if not self._lost:
                self._client.delete_object(**self._object)

    def _read(self) -> tuple[bytes, str, float] | None:
        from botocore.exceptions import ClientError

        try:
            found = self._client.get_object(**self._object)
        except ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404 and "Key" in str(error):
                return None
            raise
        age = _server_time(found) - found["LastModified"]
        return found["Body"].read(), found["ETag"], age.total_seconds()

    def _put(self, condition: dict[str, str]) -> bool:
        from botocore.exceptions import ClientError

        try:
            written = self._client.put_object(**self._object, Body=_signature(), **condition)
        except ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") in (404, 409, 412):
                return False
            raise
        self._etag = written["ETag"]
        return True


def _signature() -> bytes:
    holder = {"host": socket.gethostname(), "pid": os.getpid(), "since": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"}
    return json.dumps({**holder, "nonce": uuid.uuid4().hex}).encode()


def _died_here(signature: bytes) -> bool:
    """Whether the holder was a process of this machine that no longer runs."""
    try:
        holder = json.loads(signature)
        if holder["host"] != socket.gethostname() or holder["pid"] == os.getpid():
            return False
        os.kill(holder["pid"], 0)
    except ProcessLookupError:
        return True
    except (ValueError, KeyError, TypeError, OSError):
        return False
    return False


def _server_time(found: Any) -> datetime:
    """The time as the service has it, so that no clock here matters."""
    stated = found["ResponseMetadata"]["HTTPHeaders"].get("date")
    return datetime.strptime(stated, "%a, %d %b %Y %H:%M:%S %Z").replace(tzinfo=UTC) if stated else datetime.now(UTC)


def _taken(root: Location, signature: bytes, seen: str = "") -> UsageError:
    try:
        holder = json.loads(signature)
        who = f"process {holder['pid']} on {holder['host']} since {holder['since']}"
    except (ValueError, KeyError, TypeError):
        who = "another process"
    return UsageError(
        f"--out: {root} is taken: {who} works on it{f', last seen {seen}' if seen else ''}. "
        "Let it finish, or name another folder"
    )
