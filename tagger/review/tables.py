"""The tables of a review: what waits for a person, and every decision ever made; in SQLite or PostgreSQL."""

from pathlib import Path

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
    String,
    Table,
    Text,
    create_engine,
    event,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.types import JSON, Boolean

from tagger.errors import UsageError
from tagger.storage import first_line

_BUSY_TIMEOUT_S = 15
_POSTGRES = ("postgresql://", "postgres://")
READ_ONLY = {"read_only": True}
_WAITING = ("run_id", "current")

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
    Column("picture", String),  # what items with one picture share; null where no other has it
    Column("current", Integer),  # the decision that stands; null while the item waits
    Column("refused", Boolean, nullable=False, default=False),  # marked wrong in the grid: to be seen by itself
    Column("claimed_by", String),
    Column("claimed_until", Float, nullable=False, default=0.0),
    # with all that filters and counts need, so that these read no row
    Index("review_queue_open", *_WAITING, "article_confidence", "reason_bits", "refused", "master", "article"),
    Index("review_queue_class", *_WAITING, "article", "master", "refused", "article_confidence", "reason_bits"),
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
    Column("decided_by", String, nullable=False),
    Column("decided_at", DateTime, nullable=False),  # UTC
    Column("session", String, nullable=False),
    Column(
        "stroke", String, nullable=False
    ),  # one key press or click, which may decide many items, and is undone whole
    Column("before", Integer),  # the decision that stood before
    Column("undoes", Integer),  # what this entry takes back
    ForeignKeyConstraint(["run_id", "position"], ["review_queue.run_id", "review_queue.position"]),
    Index("review_decisions_session", "run_id", "session", "seq"),
    Index("review_decisions_undone", "undoes"),
    Index("review_decisions_item", "run_id", "position", "seq"),
    Index("review_decisions_person", "run_id", "decided_by", "decided_at"),
    sqlite_autoincrement=True,
)

skips = Table(
    "review_skips",
    metadata,
    Column("run_id", String, primary_key=True),
    Column("session", String, primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
)


def open_database(address: str, flag: str) -> Engine:
    """Open a database, and make the tables that it lacks.

    Args:
        address: Path of an SQLite file, or `postgresql://USER@HOST/NAME`.
        flag: What to name in messages.

    Raises:
        UsageError: when it cannot be opened.
    """
    try:
        if "://" in address and not address.startswith(_POSTGRES):
            raise UsageError(f"{flag} {address}: a database is the path of an SQLite file, or postgresql://…")
        engine = _postgres(address) if address.startswith(_POSTGRES) else _sqlite(Path(address).expanduser())
        metadata.create_all(engine)
    except (DBAPIError, ArgumentError, NoSuchModuleError, OSError) as error:
        cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
        raise UsageError(f"{flag} {_shown(address)}: cannot be opened: {first_line(cause)}") from error
    return engine


def _postgres(address: str) -> Engine:
    rest = address.split("://", 1)[1]
    return create_engine(f"postgresql+psycopg://{rest}", pool_pre_ping=True, pool_size=10)


def _sqlite(file: Path) -> Engine:
    file.parent.mkdir(parents=True, exist_ok=True)
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
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")  # two writers wait for each other

    return engine


def _shown(address: str) -> str:
    """An address without its password."""
    before, at, after = address.rpartition("@")
    scheme, colon, _ = before.rpartition(":")
    return f"{scheme}:…@{after}" if at and colon and "://" in scheme else address
