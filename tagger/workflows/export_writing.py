"""Writes an export: import files, their undo, and a record of what changed."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tagger.errors import UsageError
from tagger.flow.table_spool import TableSpool
from tagger.io.location import Location
from tagger.io.parquet import write_parquet_tables
from tagger.pim.creating import write_categories, write_options
from tagger.pim.fields import Field, confidence_field
from tagger.pim.files import ImportFiles, WrittenFile
from tagger.pim.forms.base import Record
from tagger.pim.report import Report
from tagger.pim.state import State
from tagger.pim.values import Values
from tagger.pim.writing import NewValues, write_values
from tagger.runs.directory import RunDirectory
from tagger.runs.exported import write_exported
from tagger.schemas.documents.target import FileFormat, Target
from tagger.schemas.tables.change import CHANGE
from tagger.workflows.export_job import ExportJob
from tagger.workflows.final_tags import classes_of
from tagger.workflows.open_catalog import resolve_location

CHANGES, UNDO = "changes.parquet", "undo"


def write_export(
    job: ExportJob, out: Location, state: State | None, report: Report, export_id: str, changes: TableSpool
) -> None:
    """Write the import files, their undo, and what changed; keep that with the runs, too."""
    file_format = chosen_format(job.config.format, job.target)
    by_heading = {field.heading: field for field in job.fields}
    said = confidence_field(job.map, job.target, job.map_flag) if job.is_proposal else None

    def new_values() -> Iterator[tuple[Record, NewValues]]:
        for record, rows in _by_product(changes, state):
            values: dict[Field, Values] = {by_heading[row["heading"]]: tuple(row["after"]) for row in rows}
            sure = [row["confidence"] for row in rows if row["confidence"] is not None]
            if said is not None and sure:
                values[said] = (f"{min(sure):.2f}",)
            yield record, values

    def old_values() -> Iterator[tuple[Record, NewValues]]:
        for record, rows in _by_product(changes, state):
            after = {by_heading[row["heading"]].heading: tuple(row["after"]) for row in rows}
            yield (
                record._replace(values={**record.values, **after}),
                {by_heading[row["heading"]]: tuple(row["before"]) for row in rows},
            )

    files = ImportFiles(out, job.name, job.target, file_format)
    report.files = write_values(files, job.form, job.target, state, new_values(), job.fields)
    if job.config.create:
        report.files = [*_created(job, out, report), *report.files]
    if state is not None and not job.is_proposal:
        undo = ImportFiles(out / UNDO, job.name, job.target, file_format)
        report.undo_files = write_values(undo, job.form, job.target, state, old_values(), job.fields)
    write_parquet_tables(out / CHANGES, CHANGE, changes.tables())
    _keep(job, export_id, changes)


def _created(job: ExportJob, out: Location, report: Report) -> list[WrittenFile]:
    """Akeneo's options and categories that it does not have; other imports create what they do not know."""
    if not job.name.startswith("akeneo"):
        return []
    new = {f.heading: report.unknown.get(f.heading, []) for f in job.fields}
    for each in job.fields:
        if job.taxonomy.of(each.role, each.heading, is_market=False) is None:
            new[each.heading] = [(text, place) for place, text in each.places()]
    masters = {article: master for master, article in classes_of(job.tags)}
    return [*write_options(out, job.fields, new), *write_categories(out, job.fields, new, masters)]


def _by_product(changes: TableSpool, state: State | None) -> Iterator[tuple[Record, list[dict[str, Any]]]]:
    """The changes of each product, with what it has now."""
    for table in changes.tables():
        last: list[dict[str, Any]] = []
        for row in table.to_pylist():
            if last and last[0]["id"] != row["id"]:
                yield _record(last[0], state), last
                last = []
            last.append(row)
        if last:
            yield _record(last[0], state), last


def _record(row: dict[str, Any], state: State | None) -> Record:
    if state is None:
        return Record(str(row["id"]), str(row["key"]), {}, {})
    return state.record(state.find(str(row["id"])))


def _keep(job: ExportJob, export_id: str, changes: TableSpool) -> None:
    """Keep the changes with the runs that made the predictions, so that later exports and an undo know them.

    Those of predictions that were copied from elsewhere are kept with the newest run.
    """
    runs = {entry.record.run_id: entry.directory for entry in job.tags.entries}
    newest = next(entry.directory for entry in job.tags.entries if entry.done)
    used_map = resolve_location(str(job.config.map), job.config).read_bytes()
    of_run: dict[RunDirectory, list[pa.Table]] = {}
    for table in changes.tables():
        for run_id in table["runId"].unique().to_pylist():
            run = runs.get(run_id, newest)
            of_run.setdefault(run, []).append(table.filter(pc.equal(table["runId"], run_id)))
    for run, tables in of_run.items():
        write_exported(run, export_id, pa.concat_tables(tables), used_map)


def chosen_format(asked: FileFormat | None, target: Target) -> FileFormat:
    """The form of the files. Raises UsageError for one that the target does not take."""
    chosen = asked or target.formats[0]
    if chosen not in target.formats:
        raise UsageError(f"--format {chosen}: {target.title} takes {' or '.join(target.formats)}")
    return chosen
