"""The tables of a review, its queue and its log of decisions, in SQLite or PostgreSQL."""

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import (
    URL,
    Column,
    Connection,
    DateTime,
    Engine,
    Float,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    QueuePool,
    String,
    Table,
    Text,
    create_engine,
    event,
    false,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.types import JSON, Boolean

from tagger.errors import UsageError
from tagger.io.location import first_line
from tagger.review.store.migrations import NewerSchemaError, bring_up_to_date, check_known, is_current

_BUSY_TIMEOUT_S = 15
_POSTGRES = ("postgresql://", "postgres://")
READ_ONLY = {"read_only": True}
_OWNER_ONLY, _OTHERS = 0o600, 0o077
_WAITING = ("run_id", "current")
_FILTERED = ("reason_bits", "refused", "proposal")
_JSON_OR_NULL = JSON(none_as_null=True)

metadata = MetaData()

settings = Table(
    "review_settings",
    metadata,
    Column("run_id", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("value", JSON, nullable=False),
)

queue = Table(
    "review_queue",
    metadata,
    Column("run_id", String, primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),  # in the run
    Column("id", String, nullable=False),
    Column("image_ref", String),
    Column("master", String, nullable=False),
    Column("master_confidence", Float, nullable=False),
    Column("article", String, nullable=False),
    Column("article_confidence", Float, nullable=False),
    Column("alternatives", JSON, nullable=False),
    Column("reasons", JSON, nullable=False),
    Column("reason_bits", Integer, nullable=False),  # the same, for filters
    Column("blur_score", Float),
    Column("known_master", String),
    Column("known_article", String),
    Column("title", Text),
    Column("columns", JSON, nullable=False),
    Column("picture", String),  # a key that items with one picture share; null where no other item has it
    Column("suggested_master", String),  # in an audit, the suggested label; null where nothing is suggested
    Column("suggested_article", String),
    Column("suggested_confidence", Float),
    Column("attributes", _JSON_OR_NULL),  # predicted further tags; null where none are
    Column("images", _JSON_OR_NULL),  # of an item with several images, what each says; else null
    Column("evidence", _JSON_OR_NULL),  # what image and title say by themselves; null where only images were asked
    Column("accord", Float, nullable=False, server_default="0"),  # confidence, less 2 for each witness that disagrees
    Column("shuffled", Float, nullable=False, server_default="0"),  # a random order, 0 to 1, by the id alone
    Column("current", Integer),  # the current decision; null while the item waits
    Column("refused", Boolean, nullable=False, default=False),  # marked wrong in the grid; to be reviewed alone
    Column("flag", Text),  # the note with which somebody flagged it; null where nobody did
    Column("proposal", Text),  # the key of the class that somebody proposed for it
    Column("claimed_by", String),  # a session
    Column("claimed_who", String),  # its person's name
    Column("claimed_ahead", Boolean, nullable=False, server_default=false()),  # nobody looks at it yet
    Column("claimed_until", Float, nullable=False, default=0.0),
    Column("claimed_since", Float),  # by the same session; null where nobody holds it
    # covering indexes: filters and counts read no row
    Index("review_queue_open", *_WAITING, "article_confidence", *_FILTERED, "master", "article"),
    Index("review_queue_class", *_WAITING, "article", "master", *_FILTERED, "article_confidence"),
    Index("review_queue_proposal", "run_id", "proposal"),
    Index("review_queue_accord", *_WAITING, "accord", "position", *_FILTERED),
    Index("review_queue_shuffled", "run_id", "shuffled", "reason_bits", "current", "position"),
    Index("review_queue_id", "run_id", "id", unique=True),
    Index("review_queue_claims", "run_id", "claimed_by"),
    Index("review_queue_picture", "run_id", "picture", "current", "position"),
)

decisions = Table(
    "review_decisions",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("run_id", String, nullable=False),
    Column("position", Integer, nullable=False),
    Column("verdict", String, nullable=False),
    Column("master", String),
    Column("article", String),
    Column("attributes", _JSON_OR_NULL),  # further tags that the person set; null where none were
    Column("note", Text),  # what the person wrote
    Column("decided_by", String, nullable=False),
    Column("decided_at", DateTime, nullable=False),  # UTC
    Column("session", String, nullable=False),
    Column("stroke", String, key="action_id", nullable=False),  # one key press, which may decide many items
    Column("before", Integer),  # the previous decision
    Column("undoes", Integer),  # the entry that this one undoes
    ForeignKeyConstraint(["run_id", "position"], ["review_queue.run_id", "review_queue.position"]),
    Index("review_decisions_session", "run_id", "session", "seq"),
    Index("review_decisions_undone", "undoes"),
    Index("review_decisions_item", "run_id", "position", "seq"),
    Index("review_decisions_verdict", "run_id", "verdict", "seq"),
    Index("review_decisions_person", "run_id", "decided_by", "decided_at"),
    sqlite_autoincrement=True,
)

words = Table(  # apart from the queue, so that a search reads little
    "review_words",
    metadata,
    Column("run_id", String, primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("words", Text, nullable=False),  # small letters of title, id and columns
)

values = Table(  # of the manifest's columns with few values
    "review_values",
    metadata,
    Column("run_id", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("value", String, primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
)

proposals = Table(
    "review_proposals",
    metadata,
    Column("run_id", String, primary_key=True),
    Column("key", String, primary_key=True),  # both names in small letters
    Column("master", String, nullable=False),
    Column("article", String, nullable=False),
    Column("proposed_by", String, nullable=False),
    Column("proposed_at", DateTime, nullable=False),  # UTC
    Column("settled", String),  # accepted, merged or declined; null while nobody has
    Column("settled_by", String),
    Column("settled_at", DateTime),  # UTC
)

second_answers = Table(  # of another person, about items that are decided; the first answer stands
    "review_second_answers",
    metadata,
    Column("run_id", String, primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("verdict", String, nullable=False),
    Column("master", String),
    Column("article", String),
    Column("decided_by", String, nullable=False),
    Column("decided_at", DateTime, nullable=False),  # UTC
)

groups = Table(  # of items that show one picture, as tagger duplicates found them
    "review_groups",
    metadata,
    Column("run_id", String, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),  # from 1, those whose labels differ first
    Column("found_as", Integer, nullable=False),  # the group's number in groups.parquet
    Column("picture", String, nullable=False),  # the key that its items have in the queue
    Column("conflict", Boolean, nullable=False),  # whether labels differ
    Column("items", JSON, nullable=False),
    Column("same", Boolean),  # whether they show one picture to the person who was asked; null while nobody answered
    Column("apart", _JSON_OR_NULL),  # ids of the items that do not belong
    Column("unbound", _JSON_OR_NULL),  # positions of the items that the answer took the picture's key from
    Column("decided_by", String),
    Column("decided_at", DateTime),  # UTC
    Column("session", String),  # whose answer or skip it was
    Column("action", Integer),  # the order of answers and skips, for the undo; null where it was undone
    Column("skipped", Integer, nullable=False, server_default="0"),  # how often; skipped groups come again at the end
    Column("claimed_by", String),  # a session
    Column("claimed_who", String),  # its person's name
    Column("claimed_until", Float, nullable=False, server_default="0"),
    Index("review_groups_open", "run_id", "same", "skipped", "number"),
    Index("review_groups_session", "run_id", "session", "action"),
)

skips = Table(
    "review_skips",
    metadata,
    Column("run_id", String, primary_key=True),
    Column("session", String, primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
)

people = Table(  # all times: seconds since 1970 by the database's clock
    "review_people",
    metadata,
    Column("run_id", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("role", String, nullable=False),
    Column("invitation", String),  # SHA-256 of the open invitation's key; null where none is open
    Column("invited_at", Float),
    Column("invited_by", String),  # null for who started the command
    Column("invited_until", Float),
    Column("joined_at", Float),
    Column("ended_at", Float),  # null while the person belongs to the review
    Column("ended_by", String),
)

sessions = Table(
    "review_sessions",
    metadata,
    Column("run_id", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("person", String, nullable=False),
    Column("browser", String, nullable=False),
    Column("token", String),  # digest of the token that opened it; null where an invitation did
    Column("began", Float, nullable=False),
    Column("seen", Float, nullable=False),
    Column("ended", Float),
    Index("review_sessions_person", "run_id", "person"),
)


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
