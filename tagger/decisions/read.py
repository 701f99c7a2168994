"""Reads the review decisions of a run, by DECISION: from the database, or from an export."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from tagger.errors import InputError, UsageError
from tagger.io.location import Location
from tagger.io.parquet import open_parquet, write_parquet
from tagger.runs.directory import RunDirectory
from tagger.runs.parts import pieces
from tagger.runs.roots import run_roots
from tagger.schemas.arrow import conformed
from tagger.schemas.tables.decision import DECISION
from tagger.schemas.tables.refit_tag import REFIT_TAG

if TYPE_CHECKING:
    from tagger.review.store.review import ReviewStore

DATABASE = "TAGGER_REVIEW_DATABASE"
"""Environment variable that names the database."""
_BESIDE = "review.sqlite"
_PART_ROWS = 65_536


def database_of(run: RunDirectory, named: str | None) -> str:
    """The database of a run's decisions: the named one, or a file beside the run.

    Raises UsageError when none is named and the run is in a bucket.
    """
    if named:
        return named
    if run.root.is_s3:
        raise UsageError(
            f"--database: {run.root} lies in a bucket, which holds no database; name a file or postgresql://…"
        )
    return f"{run.root.path}/{_BESIDE}"


def decisions_of(run: RunDirectory, database: str | None = None) -> Iterator[pa.Table]:
    """The current decisions of a run, by DECISION, in pieces.

    They come from the named database, or from the one beside the run if it has decisions, else from RUN/decisions.
    """
    with review_of(run, database) as store:
        if store is not None:
            yield from standing_rows(store)
            return
    yield from (conformed(table, DECISION) for table in run.decisions(DECISION.names))


def refit_tags_of(run: RunDirectory, database: str | None = None) -> Iterator[pa.Table]:
    """The tags that refits to a run's decisions are sure of, by REFIT_TAG, in pieces.

    They come from the database from which `decisions_of` has the decisions, else from RUN/refit-tags.
    """
    with review_of(run, database) as store:
        if store is not None:
            yield from refit_rows(store)
            return
    yield from pieces(run.refit_tags, REFIT_TAG.names)


@contextmanager
def review_of(run: RunDirectory, database: str | None) -> Iterator["ReviewStore | None"]:
    """The review of a run in the named database, or in the one beside it; None where that has no decisions."""
    record = run.record()
    named = database or (None if run.root.is_s3 else database_of(run, None))
    if record is None or not named or not (database or Path(named).exists()):
        yield None
        return
    from tagger.review.store.database import open_to_read
    from tagger.review.store.review import ReviewStore

    store = ReviewStore(open_to_read(named, "--database" if database else str(run.root)), record.run_id)
    try:
        yield store if store.has_decisions() else None
    finally:
        store.close()


def named_decisions(folder: Location, flag: str) -> Iterator[pa.Table]:
    """The decisions of a run, of a folder of runs, or in Parquet files, by DECISION, in pieces.

    Raises UsageError when there are none, InputError when a file holds something else.
    """
    if not folder.exists():
        raise UsageError(f"{flag}: there is no run, file or folder {folder}")
    files = [folder]
    if folder.is_dir():
        roots = run_roots(folder)
        if roots:
            for root in roots:
                yield from decisions_of(RunDirectory(root.folder))
            return
        files = folder.files((".parquet",))
    if not files:
        raise UsageError(f"{flag}: there is neither a run nor a Parquet file in {folder}")
    for file in files:
        table = open_parquet(file).read()
        missing = [f.name for f in DECISION if not f.nullable and f.name not in table.schema.names]
        if missing:
            raise InputError(f"{flag}: {file} holds no review decisions: it has no column {missing[0]}")
        yield conformed(table, DECISION)


def standing_rows(store: "ReviewStore", reason: str | None = None) -> Iterator[pa.Table]:
    """The current decisions in a store, by DECISION, in pieces; with a reason, only about items that have it."""
    for part in store.standing(reason):
        yield pa.Table.from_pylist([_row(row) for row in part], schema=DECISION)


def refit_rows(store: "ReviewStore") -> Iterator[pa.Table]:
    """The tags of refits in a store that stand, by REFIT_TAG, in pieces."""
    for part in store.refits.tags():
        yield pa.Table.from_pylist([_refit_row(row) for row in part], schema=REFIT_TAG)


def export(store: "ReviewStore", folder: Location) -> int:
    """Write the current decisions to a folder of parts, replacing its content; return their number.

    Raises UsageError when the review has not begun, so that an earlier export is not lost.
    """
    if not store.is_filled():
        raise UsageError("--database: this review has not begun; tagger review --run RUN begins it")
    return _write_parts(folder, DECISION, standing_rows(store))


def export_refit_tags(store: "ReviewStore", run: RunDirectory) -> int:
    """Write the tags that refits are sure of beside a run's decisions, replacing earlier ones; return their number.

    Where no refit was made, nothing is written.
    """
    if store.refits.last() is None:
        return 0
    return _write_parts(run.refit_tags, REFIT_TAG, refit_rows(store))


def _write_parts(folder: Location, schema: pa.Schema, tables: Iterable[pa.Table]) -> int:
    """Write tables to a folder of parts, and delete what else it has; return the number of rows."""
    parts = rows = 0
    waiting = schema.empty_table()
    for table in tables:
        waiting = pa.concat_tables([waiting, table])
        rows += len(table)
        if len(waiting) >= _PART_ROWS:
            write_parquet(folder / f"part-{parts:05d}.parquet", waiting)
            parts, waiting = parts + 1, schema.empty_table()
    if len(waiting) or not parts:
        write_parquet(folder / f"part-{parts:05d}.parquet", waiting)
        parts += 1
    for old in folder.files((".parquet",)):
        if old.name >= f"part-{parts:05d}.parquet":
            old.delete()
    return rows


def _row(mapping: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        "id": mapping["id"],
        "runId": mapping["run_id"],
        "beforeMasterCategory": mapping["before_master"],
        "beforeArticleType": mapping["before_article"],
        "verdict": mapping["verdict"],
        "masterCategory": mapping["master"],
        "articleType": mapping["article"],
        "attributes": mapping["attributes"],
        "decidedBy": mapping["decided_by"],
        "decidedAt": mapping["decided_at"].replace(tzinfo=UTC),
    }


def _refit_row(mapping: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        "id": mapping["id"],
        "runId": mapping["run_id"],
        "masterCategory": mapping["master"],
        "masterCategoryConfidence": mapping["master_confidence"],
        "articleType": mapping["article"],
        "articleTypeConfidence": mapping["article_confidence"],
        "refit": mapping["refit"],
        "checked": mapping["checked"],
        "madeAt": mapping["made_at"].replace(tzinfo=UTC),
    }
