"""A review's database of any age opens, with all decisions in it; one of a newer version is left alone."""

import os
import sqlite3
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, create_engine, inspect, text

from tagger.decisions.read import decisions_of
from tagger.errors import UsageError
from tagger.io.location import Location
from tagger.review.store.database import open_database, open_to_read
from tagger.review.store.migrations import VERSION_TABLE
from tagger.review.store.records import Filter
from tagger.review.store.review import ReviewStore
from tagger.review.store.tables import metadata
from tagger.runs.directory import RunDirectory
from tagger.runs.roots import RECORD
from tagger.schemas.documents.run import Counts, RunRecord

OLD = Path(__file__).parent / "old"


@pytest.fixture
def emptied(database: str) -> Iterator[tuple[str, Engine]]:
    """A database with nothing in it."""
    is_postgres = database.startswith("postgresql")
    plain = create_engine(database.replace("://", "+psycopg://") if is_postgres else f"sqlite:///{database}")
    names = [*metadata.tables, VERSION_TABLE]

    def empty() -> None:
        with plain.begin() as connection:
            for name in reversed(names if is_postgres else []):
                connection.execute(text(f"DROP TABLE IF EXISTS {name} CASCADE"))

    empty()
    yield database, plain
    empty()
    plain.dispose()


def make_old(engine: Engine, with_pictures: bool) -> None:
    """A database as the first versions made it: without a version, with one decision of two items."""
    names = ["first", *(["second"] if with_pictures else []), "rows"]
    script = ";".join((OLD / f"{name}.sql").read_text() for name in names)
    if engine.dialect.name == "sqlite":
        script = script.replace("SERIAL", "INTEGER").replace("TIMESTAMP", "DATETIME")
    with engine.begin() as connection:
        for statement in script.split(";"):
            connection.exec_driver_sql(statement)


def standing(store: ReviewStore) -> list[tuple[str, str, str, str]]:
    rows = [r for part in store.standing() for r in part]
    assert not any(r["attributes"] for r in rows), "nobody could set further tags then"
    return [(r["id"], r["verdict"], r["article"], r["decided_by"]) for r in rows]


@pytest.mark.parametrize("with_pictures", [False, True])
def test_an_older_database_is_brought_up_to_date_with_its_decisions(
    emptied: tuple[str, Engine], with_pictures: bool
) -> None:
    address, plain = emptied
    make_old(plain, with_pictures)
    engine = open_database(address, "--database")
    store = ReviewStore(engine, "old")
    assert standing(store) == [("a", "corrected", "Tops", "Ann")]
    assert (store.settings.get("secret"), store.counts.progress("Ann").decided) == ("kept", 1)
    (waiting,) = store.claims.next("s", Filter())
    assert (waiting.id, waiting.attributes, waiting.images, waiting.evidence) == ("b", None, None, None), "it goes on"
    assert store.undo("s", "Ann") is None, "that was another session's"
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        ours = [d for d in compare_metadata(context, metadata) if VERSION_TABLE not in str(d)]
        assert not ours, "it is as a new one would be"
    store.close()
    again = ReviewStore(open_database(address, "--database"), "old")
    assert standing(again) == [("a", "corrected", "Tops", "Ann")]
    again.close()


def test_sessions_that_had_signed_out_stay_out_and_nobody_is_in_yet(emptied: tuple[str, Engine]) -> None:
    address, plain = emptied
    make_old(plain, with_pictures=True)
    with plain.begin() as connection:
        for name in ("ended:left", "ended:never decided", "endless"):
            connection.execute(
                text("INSERT INTO review_settings (run_id, name, value) VALUES ('old', :name, 'true')"), {"name": name}
            )
        connection.execute(text("UPDATE review_decisions SET session = 'left'"))
    store = ReviewStore(open_database(address, "--database"), "old")
    with plain.begin() as connection:
        rows = connection.execute(text("SELECT key, person, ended IS NULL FROM review_sessions ORDER BY key"))
        assert [(key, person, bool(is_open)) for key, person, is_open in rows] == [
            ("left", "Ann", False), ("never decided", "", False)
        ]  # fmt: skip
        names = connection.scalars(text("SELECT name FROM review_settings"))
        assert not [name for name in names if name.startswith("ended:")]
    assert store.sessions.find("left") is None and store.people.everyone() == []
    assert store.settings.get("endless") is True
    store.close()


def test_a_database_of_a_newer_version_is_refused_and_left_alone(emptied: tuple[str, Engine]) -> None:
    address, plain = emptied
    open_database(address, "--database").dispose()
    with plain.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    for opened in (open_database, open_to_read):
        with pytest.raises(UsageError, match=r"--database .*made by a newer catalog-tagger \(schema 9999\); update"):
            opened(address, "--database")


def test_two_processes_that_open_an_old_database_at_once_both_find_it_up_to_date(emptied: tuple[str, Engine]) -> None:
    address, plain = emptied
    make_old(plain, with_pictures=False)
    with ThreadPoolExecutor(4) as pool:
        for engine in pool.map(lambda _: open_database(address, "--database"), range(4)):
            assert standing(ReviewStore(engine, "old")) == [("a", "corrected", "Tops", "Ann")]
            engine.dispose()


def test_a_step_that_fails_leaves_the_old_database_whole(tmp_path: Path) -> None:
    file = tmp_path / "old.sqlite"
    plain = create_engine(f"sqlite:///{file}")
    make_old(plain, with_pictures=False)
    with plain.begin() as connection:  # in the way of the last step
        connection.exec_driver_sql("ALTER TABLE review_queue ADD COLUMN evidence JSON")
    with pytest.raises(UsageError, match="evidence"):
        open_database(str(file), "--database")
    columns = {column["name"] for column in inspect(plain).get_columns("review_queue")}
    assert not {"picture", "suggested_master", "attributes", "images"} & columns
    assert not inspect(plain).has_table(VERSION_TABLE)
    plain.dispose()


@pytest.mark.parametrize("with_pictures", [False, True])
def test_an_older_database_can_be_read_and_stays_as_it_is(emptied: tuple[str, Engine], with_pictures: bool) -> None:
    address, plain = emptied
    make_old(plain, with_pictures)
    before = Path(address).read_bytes() if plain.dialect.name == "sqlite" else b""
    store = ReviewStore(open_to_read(address, "--database"), "old")
    assert store.has_decisions() and standing(store) == [("a", "corrected", "Tops", "Ann")]
    assert not ReviewStore(open_to_read(address, "--database"), "another").has_decisions()
    store.close()
    if before:
        assert Path(address).read_bytes() == before
        assert [f.name for f in Path(address).parent.iterdir()] == [Path(address).name], "nothing lies beside it"
    assert not inspect(plain).has_table(VERSION_TABLE)


def test_what_is_opened_to_read_cannot_be_written(emptied: tuple[str, Engine]) -> None:
    address, plain = emptied
    make_old(plain, with_pictures=True)
    store = ReviewStore(open_to_read(address, "--database"), "old")
    with pytest.raises(Exception, match=r"read-?only"):
        store.settings.set_once("name", "value")
    store.close()


def test_a_database_in_use_is_read_with_what_was_decided_last(tmp_path: Path) -> None:
    file = tmp_path / "r.sqlite"
    at_work = ReviewStore(open_database(str(file), "--database"), "run")
    at_work.settings.set_once("name", "value")
    assert file.with_name("r.sqlite-wal").stat().st_size, "it is in the journal alone"
    reader = ReviewStore(open_to_read(str(file), "--database"), "run")
    assert reader.settings.get("name") == "value"
    reader.close()
    at_work.close()


def test_an_empty_database_holds_no_decisions(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "empty.sqlite").close()
    assert not ReviewStore(open_to_read(str(tmp_path / "empty.sqlite"), "--database"), "run").has_decisions()


def test_a_new_database_is_its_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        engine = open_database(str(tmp_path / "r.sqlite"), "--database")
        ReviewStore(engine, "run").settings.set_once("secret", "s")
        modes = {f.name: stat.S_IMODE(f.stat().st_mode) for f in tmp_path.iterdir()}
        engine.dispose()
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(modes, 0o600) and "r.sqlite" in modes


def test_the_decisions_of_a_run_reviewed_with_an_older_version_are_found(tmp_path: Path) -> None:
    record = RunRecord(
        run_id="old", model_id="m", state="done", config={}, fingerprint="", inputs={}, versions={},
        started_at=datetime(2026, 1, 1, tzinfo=UTC), counts=Counts(),
    )  # fmt: skip
    (tmp_path / RECORD).write_text(record.model_dump_json(by_alias=True))
    plain = create_engine(f"sqlite:///{tmp_path / 'review.sqlite'}")
    make_old(plain, with_pictures=False)
    plain.dispose()
    tables = decisions_of(RunDirectory(Location(str(tmp_path))))
    assert [i for table in tables for i in table["id"].to_pylist()] == ["a"]


def test_reading_the_decisions_of_an_old_run_writes_nothing_beside_it(tmp_path: Path) -> None:
    record = RunRecord(
        run_id="old", model_id="m", state="done", config={}, fingerprint="", inputs={}, versions={},
        started_at=datetime(2026, 1, 1, tzinfo=UTC), counts=Counts(),
    )  # fmt: skip
    (tmp_path / RECORD).write_text(record.model_dump_json(by_alias=True))
    plain = create_engine(f"sqlite:///{tmp_path / 'review.sqlite'}")
    make_old(plain, with_pictures=False)
    plain.dispose()
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert sum(len(table) for table in decisions_of(RunDirectory(Location(str(tmp_path))))) == 1
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
