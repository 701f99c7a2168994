"""Opens a review's database: an SQLite file or PostgreSQL, with the tables of this version."""

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from tagger.errors import UsageError
from tagger.io.location import first_line
from tagger.review.store.migrations import NewerSchemaError, bring_up_to_date, check_known, is_current
from tagger.review.store.tables import READ_ONLY, metadata

_BUSY_TIMEOUT_S = 15
_POSTGRES = ("postgresql://", "postgres://")
_OWNER_ONLY, _OTHERS = 0o600, 0o077


def open_database(address: str, flag: str) -> Engine:
    """Open a database for a review; create its tables, or migrate those of an older version.

    Args:
        address: Path of an SQLite file, or `postgresql://USER@HOST/NAME`.
        flag: What to name in messages.

    Raises:
        UsageError: when it cannot be opened, or a newer version has changed it.
    """
    with _named(address, flag):
        _check_kind(address, flag)
        engine = _postgres(address) if _is_postgres(address) else _sqlite(_file(address))
        with engine.execution_options(**READ_ONLY).begin() as connection:
            ready = is_current(connection)
        if not ready:
            with engine.begin() as connection:
                bring_up_to_date(connection, metadata)
        return engine


def open_to_read(address: str, flag: str) -> Engine:
    """Open a database of this or an older version read-only, and create no file beside it.

    Args:
        address: Path of an SQLite file that exists, or `postgresql://USER@HOST/NAME`.
        flag: What to name in messages.

    Raises:
        UsageError: when it cannot be opened, or a newer version has changed it.
    """
    with _named(address, flag):
        _check_kind(address, flag)
        engine = _postgres(address, read_only=True) if _is_postgres(address) else _sqlite_read_only(_file(address))
        with engine.execution_options(**READ_ONLY).begin() as connection:
            check_known(connection)
        return engine


@contextmanager
def _named(address: str, flag: str) -> Iterator[None]:
    """Add the flag and the database to errors."""
    try:
        yield
    except NewerSchemaError as error:
        raise UsageError(
            f"{flag} {_shown(address)}: it was made by a newer catalog-tagger (schema {error}); update this one"
        ) from error
    except (DBAPIError, ArgumentError, NoSuchModuleError, OSError) as error:
        cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
        raise UsageError(f"{flag} {_shown(address)}: cannot be opened: {first_line(cause)}") from error


def _check_kind(address: str, flag: str) -> None:
    if "://" in address and not _is_postgres(address):
        raise UsageError(f"{flag} {address}: a database is the path of an SQLite file, or postgresql://…")


def _is_postgres(address: str) -> bool:
    return address.startswith(_POSTGRES)


def _file(address: str) -> Path:
    return Path(address).expanduser()


def _postgres(address: str, read_only: bool = False) -> Engine:
    rest = address.split("://", 1)[1]
    options = {"options": "-c default_transaction_read_only=on"} if read_only else {}
    return create_engine(f"postgresql+psycopg://{rest}", pool_pre_ping=True, pool_size=10, connect_args=options)


def _sqlite(file: Path) -> Engine:
    file.parent.mkdir(parents=True, exist_ok=True)
    _make_private(file)
    engine = create_engine(
        URL.create("sqlite", database=str(file)),
        connect_args={"check_same_thread": False, "timeout": _BUSY_TIMEOUT_S},
    )

    @event.listens_for(engine, "connect")
    def configure(connection: object, record: object) -> None:
        connection.isolation_level = None  # type: ignore[attr-defined]  # transactions begin below
        cursor = connection.cursor()  # type: ignore[attr-defined]
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        reading = connection.get_execution_options().get("read_only")
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")  # a second writer waits

    return engine


def _make_private(file: Path) -> None:
    """Create a file that only its owner may read, or take others' access away: it holds the secret that signs cookies.

    Raises:
        UsageError: when others may read it, and this account may not change that.
    """
    with suppress(FileExistsError):
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _OWNER_ONLY))
    for one in (file, *(file.with_name(f"{file.name}-{journal}") for journal in ("wal", "shm"))):
        with suppress(FileNotFoundError):  # SQLite deletes its journals
            if stat.S_IMODE(one.stat().st_mode) & _OTHERS:
                _tighten(one)


def _tighten(file: Path) -> None:
    try:
        file.chmod(_OWNER_ONLY)
    except PermissionError as error:
        raise UsageError(
            f"--database {file}: others can read it, and it belongs to another account; its owner can run chmod 600 "
            "on it, or take another --database"
        ) from error


def _sqlite_read_only(file: Path) -> Engine:
    """An SQLite file, read-only; without a journal beside it nobody writes, and none is created."""
    mode = "mode=ro" if file.with_name(f"{file.name}-wal").exists() else "mode=ro&immutable=1"

    def connect() -> sqlite3.Connection:
        address = f"file:{quote(str(file.absolute()))}?{mode}"
        return sqlite3.connect(address, uri=True, check_same_thread=False, timeout=_BUSY_TIMEOUT_S)

    return create_engine("sqlite://", creator=connect, poolclass=QueuePool)


def _shown(address: str) -> str:
    """An address without its password."""
    before, at, after = address.rpartition("@")
    scheme, colon, _ = before.rpartition(":")
    return f"{scheme}:…@{after}" if at and colon and "://" in scheme else address
