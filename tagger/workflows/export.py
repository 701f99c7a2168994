"""Writes the import files of a PIM: what would change, and nothing else, with an undo."""

import uuid
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from tagger.errors import InputError
from tagger.exports.csv import harmless
from tagger.flow.table_spool import TableSpool
from tagger.io.completion import mark_complete
from tagger.io.json_text import as_json
from tagger.io.location import Location
from tagger.pim.files import csv_line
from tagger.pim.page import page_of, shown_moves
from tagger.pim.plan import Planned, Planner
from tagger.pim.preflight import check_map, doubts_of, refusing, with_siblings
from tagger.pim.report import Report
from tagger.pim.state import State
from tagger.pim.writing import change_rows
from tagger.reporter import LOG, Reporter
from tagger.runs.exported import Exported, exported_of
from tagger.runs.holds import refuse_held
from tagger.runs.ledger import read_ledger
from tagger.schemas.configs.export import ExportConfig
from tagger.schemas.tables.change import CHANGE, Outcome
from tagger.schemas.values import parse_share_or_count
from tagger.workflows.export_job import ExportJob, check_blind, open_job, state_of
from tagger.workflows.export_writing import chosen_format, write_export
from tagger.workflows.open_catalog import new_folder, resolve_location
from tagger.workflows.run_pictures import pictures_of

REPORT, REPORT_JSON = "report.html", "report.json"
DRY_RUN, DRY_RUN_JSON, DRY_RUN_NOT_SET = "dry-run.html", "dry-run.json", "dry-run-not-set.csv"
NOT_SET = "not-set.csv"
_NOT_LISTED = (Outcome.SET, Outcome.UNCHANGED, Outcome.WAITING)
_BATCH = 10_000
_MOST_GONE = 100_000


@dataclass(frozen=True)
class ExportResult:
    """What an export wrote, or would write."""

    out: Location
    report: Report
    export_id: str | None
    """None after a dry run."""


def export(config: ExportConfig, reporter: Reporter = LOG) -> ExportResult:
    """Write what has to change in a PIM as its import files, with an undo and a report.

    The PIM's own export is read first: rows that would not change are left out, other categories and attributes are
    kept, and values that no export wrote are left alone. `_SUCCESS` is written last.

    Args:
        config: The runs, the target, the map, the PIM's own export, and the folder to write to.
        reporter: Where progress and warnings go.

    Returns:
        The report, whose counts add up to the items of the runs.

    Raises:
        UsageError: when there is no run, map or folder, or a flag is missing that the target needs.
        InputError: when the map or the PIM's export break their form, or more would change than `max_changes` allows.
        HoldError: when one of the runs is held (`tagger drift`).

    Example::

        from tagger import ExportConfig, export

        result = export(ExportConfig(run="run-1", map="map.yaml", current=["products.csv"], out="akeneo"))
        print(result.report.outcomes)
    """
    job = open_job(config, reporter)
    chosen_format(config.format, job.target)
    if not config.dry_run:
        refuse_held(job.tags.entries)
    out = _folder(config)
    state = state_of(job)
    if state is None:
        check_blind(job)
    export_id = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:8]}"
    not_set = [csv_line(["id", "outcome", "why"], ",")]
    with closing(TableSpool()) as changes:
        report = _plan(job, state, export_id, changes, not_set)
        refusal = _refusal(job, report)
        if config.dry_run or refusal:
            _say(job, out, report, not_set, is_dry=True)
            if refusal:
                raise InputError(f"{refusal}. Only the report was written, as of a dry run: {out / DRY_RUN}")
            return ExportResult(out, report, None)
        write_export(job, out, state, report, export_id, changes)
    _say(job, out, report, not_set, is_dry=False)
    mark_complete(out)
    return ExportResult(out, report, export_id)


def _folder(config: ExportConfig) -> Location:
    """The folder to write to; what an earlier dry run left there goes."""
    out = resolve_location(str(config.out), config)
    for name in (DRY_RUN, DRY_RUN_JSON, DRY_RUN_NOT_SET):
        (out / name).delete()
    return new_folder(str(config.out), config)


def _plan(job: ExportJob, state: State | None, export_id: str, changes: TableSpool, not_set: list[bytes]) -> Report:
    """Decide about every item; changes are spooled by CHANGE, and what stands in the way of others is listed."""
    config = job.config
    checked = check_map(job.fields, job.taxonomy, state, config.create, job.map.taxonomy)
    runs = [entry.directory for entry in job.tags.entries]
    runs += [e.directory for name in config.earlier for e in read_ledger(resolve_location(name, config), "--earlier")]
    exported = Exported((t for run in runs for t in exported_of(run)), job.record_name)
    overwrite = "all" if job.is_proposal else config.overwrite
    held = job.proposed.outcome if job.proposed else lambda item: None
    fields = with_siblings(job.fields, job.taxonomy, state)
    planner = Planner(fields, state, exported, overwrite, refusing(job.fields, checked.refused), held, job.target.carry)
    how = job.target.how_proposals if job.is_proposal else job.target.how
    report = Report(job.name, job.target.title, how, findings=planner.findings)
    report.unknown = checked.unknown
    report.products, report.live = (state.products, sum(map(state.live, fields))) if state is not None else (0, 0)
    gone: list[str] = []
    now = datetime.now(UTC)
    for batch in _batches(planner.plan(job.tags.tables())):
        rows: list[dict[str, Any]] = []
        for planned in batch:
            report.count(planned)
            if planned.outcome not in _NOT_LISTED:
                not_set.append(csv_line([harmless(planned.id), planned.outcome, harmless(planned.why)], ","))
            rows += change_rows(planned, job.record_name, export_id, now)
            if planned.outcome is Outcome.GONE and len(gone) < _MOST_GONE:
                gone.append(planned.id)
        changes.append(pa.Table.from_pylist(rows, schema=CHANGE))
    report.warnings += checked.warnings
    if state is not None:
        report.warnings += doubts_of(state, gone, state.near(gone))
        if 2 * report.outcomes[Outcome.GONE] > report.items:
            column = job.map.id or job.form.key
            report.warnings.append(
                f"most items are not in --current: does its column {column!r} have the run's ids? id: in the map names "
                "another one"
            )
    return report


def _batches(planned: Iterable[Planned]) -> Iterator[list[Planned]]:
    batch: list[Planned] = []
    for each in planned:
        batch.append(each)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    yield batch


def _refusal(job: ExportJob, report: Report) -> str:
    """Why nothing is written; empty where it is."""
    share, count = parse_share_or_count(job.config.max_changes)
    if job.is_proposal or not report.replaced:
        return ""
    is_above = report.replaced > count if count is not None else report.replaced_share > (share or 0)
    if not is_above:
        return ""
    (heading, old, new), largest = next(report.largest())
    return (
        f"{report.replaced:,} of the {report.live:,} values that the PIM has would be replaced "
        f"({100 * report.replaced_share:.1f}%), and --max-changes is {job.config.max_changes}; the largest move is "
        f"{heading}: {old} to {new} ({largest:,}). If that is right, give a larger --max-changes"
    )


def _say(job: ExportJob, out: Location, report: Report, not_set: list[bytes], is_dry: bool) -> None:
    """Write the report, as a page and as JSON, and the list of what is not set."""
    (out / (DRY_RUN_NOT_SET if is_dry else NOT_SET)).write_bytes(b"".join(not_set))
    items = {item for name in shown_moves(report) for item in report.samples.get(name, ())}
    pictures, why = pictures_of(job.tags.entries, items, job.reporter) if job.config.pictures else ({}, "")
    verb = "would be set" if is_dry else "are set"
    page = page_of(report, verb, pictures, why)
    (out / (DRY_RUN if is_dry else REPORT)).write_text(page)
    (out / (DRY_RUN_JSON if is_dry else REPORT_JSON)).write_text(as_json(report.as_document()))
