"""Migrates a review's database to the schema of this version, step by step; decisions are never touched.

A new database is made whole from `tagger.review.store.tables`; a step in `versions` changes an older one. The steps are
Alembic's, run over a connection that already holds the lock, so that no second process starts them, too.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, func, inspect, select

VERSION_TABLE = "review_schema"
_FIRST, _WITH_PICTURES = "0001", "0002"
_LOCK = 7_242_110
"""Key of the advisory lock in PostgreSQL: any number that is the same in every process."""


class NewerSchemaError(Exception):
    """The database has a newer schema than this version knows."""


def is_current(connection: Connection) -> bool:
    """Whether a database has this version's schema. Raises NewerSchemaError."""
    return check_known(connection) == _script().get_current_head()


def check_known(connection: Connection) -> str | None:
    """The version of a database's schema; None where it has none. Raises NewerSchemaError."""
    version = _context(connection).get_current_revision()
    known = {step.revision for step in _script().walk_revisions()}
    if version is not None and version not in known:
        raise NewerSchemaError(version)
    return version


def bring_up_to_date(connection: Connection, tables: MetaData) -> None:
    """Create the tables of a new database, or migrate those of an older one, within one transaction.

    Args:
        connection: In a transaction that may write.
        tables: The tables of a new database.

    Raises:
        NewerSchemaError: when a newer version has migrated it.
    """
    if connection.dialect.name == "postgresql":  # SQLite has one writer at a time anyway
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    if is_current(connection):  # another process was faster
        return
    if not inspect(connection).has_table("review_queue"):
        tables.create_all(connection)
        _context(connection).stamp(_script(), "head")
        return
    if check_known(connection) is None:  # from before schema versions were stored
        columns = {column["name"] for column in inspect(connection).get_columns("review_queue")}
        _context(connection).stamp(_script(), _WITH_PICTURES if "picture" in columns else _FIRST)
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config


def _script() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _context(connection: Connection) -> MigrationContext:
    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
