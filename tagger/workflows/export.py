"""Writes the import files of a PIM: what would change, and nothing else, with an undo."""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tagger.errors import InputError, UsageError
from tagger.flow.table_spool import TableSpool
from tagger.io.completion import mark_complete
from tagger.io.globs import is_glob, matching_files
from tagger.io.json_text import as_json
from tagger.io.location import Location
from tagger.io.parquet import write_parquet_tables
from tagger.notices import Notices
from tagger.pim.creating import write_categories, write_options
from tagger.pim.fields import ARTICLE, MASTER, Field, as_proposals, confidence_field, fields_of
from tagger.pim.files import ImportFiles, WrittenFile
from tagger.pim.forms import form_of
from tagger.pim.forms.base import Form, Record
from tagger.pim.map_file import read_map
from tagger.pim.page import page_of, shown_moves
from tagger.pim.plan import Planned, Planner
from tagger.pim.preflight import check_map, doubts_of, refusing, with_siblings
from tagger.pim.report import Report
from tagger.pim.state import State
from tagger.pim.targets import load_target
from tagger.pim.taxonomy_files import Taxonomy, read_taxonomies
from tagger.pim.values import Values
from tagger.pim.writing import NewValues, change_rows, write_values
from tagger.reporter import LOG, Reporter
from tagger.runs.exported import Exported, exported_of, write_exported
from tagger.runs.ledger import read_ledger
from tagger.schemas.configs.export import ExportConfig
from tagger.schemas.configs.options import S3Options
from tagger.schemas.documents.export_map import ExportMap
from tagger.schemas.documents.target import FileFormat, Target
from tagger.schemas.tables.change import CHANGE, Outcome
from tagger.schemas.values import parse_share_or_count
from tagger.workflows.final_tags import FinalTags, classes_of
from tagger.workflows.open_catalog import new_folder, resolve_location
from tagger.workflows.propose import Proposed
from tagger.workflows.run_pictures import pictures_of

REPORT, REPORT_JSON, CHANGES, UNDO = "report.html", "report.json", "changes.parquet", "undo"
DRY_RUN, DRY_RUN_JSON = "dry-run.html", "dry-run.json"
_BATCH = 10_000
_MOST_GONE = 100_000
PROPOSAL = "-proposal"
"""Ends the name of a target in the records of what was proposed to it."""


@dataclass(frozen=True)
class ExportResult:
    """What an export wrote, or would write."""

    out: Location
    report: Report
    export_id: str | None
    """None after a dry run."""


@dataclass(frozen=True)
class _Job:
    """What an export works on."""

    config: ExportConfig
    reporter: Reporter
    name: str
    target: Target
    map: ExportMap
    fields: list[Field]
    form: Form
    tags: FinalTags
    taxonomy: Taxonomy
    notices: Notices
    proposed: Proposed | None


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

    Example::

        from tagger import ExportConfig, export

        result = export(ExportConfig(run="run-1", map="map.yaml", current=["products.csv"], out="akeneo"))
        print(result.report.outcomes)
    """
    job = _open(config, reporter)
    out = _folder(config)
    state = _state(job)
    if state is None:
        _check_blind(job)
    export_id = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:8]}"
    with closing(TableSpool()) as changes:
        report = _plan(job, state, export_id, changes)
        refusal = _refusal(job, report)
        if config.dry_run or refusal:
            _say(job, out, report, is_dry=True)
            if refusal:
                raise InputError(f"{refusal}. Nothing was written but {out / DRY_RUN}")
            return ExportResult(out, report, None)
        _write(job, out, state, report, export_id, changes)
    _say(job, out, report, is_dry=False)
    mark_complete(out)
    return ExportResult(out, report, export_id)


def _open(config: ExportConfig, reporter: Reporter) -> _Job:
    if config.map is None or config.out is None:
        raise UsageError("--map and --out are missing")
    notices = Notices()
    notices.listen(reporter.warn)
    export_map = read_map(resolve_location(config.map, config))
    name = config.to or export_map.target
    if name != export_map.target:
        raise UsageError(f"--to {name}: the map is for {export_map.target}; draft another one with --write-map")
    try:
        target = load_target(name)
    except LookupError:
        raise InputError(f"--map {config.map}: target: there is no {name!r}") from None
    flag = f"--map {config.map}"
    fields = fields_of(export_map, target, flag)
    if config.write_as == "proposal":
        fields = as_proposals(fields, target, flag)
    tags = FinalTags(resolve_location(config.run, config), config.database, config.no_value)
    proposed = Proposed(resolve_location(config.proposal, config), config.database) if config.proposal else None
    if proposed is not None:
        tags.decided = {**tags.decided, **proposed.decided}
    names = dict.fromkeys(n for f in fields for n in f.map.of if n not in (MASTER, ARTICLE))
    further = [n for n in names if n not in tags.attributes]
    if further and not config.current:
        raise UsageError(f"--map: of: {further[0]} is no tag of the run, so it has to be a column of --current")
    form = form_of(target, export_map, fields, further)
    taxonomy = read_taxonomies(files_of(config.taxonomy, config, "--taxonomy"), notices)
    return _Job(config, reporter, name, target, export_map, fields, form, tags, taxonomy, notices, proposed)


def files_of(names: Sequence[str], options: S3Options, flag: str) -> list[Location]:
    """The files that a flag names: files, folders or globs. Raises UsageError when one is not there."""
    found: list[Location] = []
    for name in names:
        location = resolve_location(name, options)
        if is_glob(location):
            files = matching_files(location)
        elif location.is_dir():
            files = location.files()
        else:
            files = [location] if location.exists() else []
        if not files:
            raise UsageError(f"{flag}: there is no file {location}")
        found += files
    return found


def _folder(config: ExportConfig) -> Location:
    """The folder to write to; what an earlier dry run left there goes."""
    out = resolve_location(str(config.out), config)
    for name in (DRY_RUN, DRY_RUN_JSON):
        (out / name).delete()
    return new_folder(str(config.out), config)


def _state(job: _Job) -> State | None:
    """What the PIM has; None without its export."""
    files = files_of(job.config.current, job.config, "--current")
    if not files:
        return None
    job.reporter.step(f"Reading {', '.join(file.name for file in files)}")
    state = State(job.form.records(files, job.notices), job.fields, job.target.key)
    if not len(state):
        raise InputError(f"--current: {files[0]} has no product with an id in {job.map.id or job.form.key}")
    return state


def _check_blind(job: _Job) -> None:
    """Raise UsageError where an export that does not know what the PIM has could hurt."""
    replacing = [f.heading for f in job.fields if f.is_list and f.form.writing == "replace"]
    grouped = [f.heading for f in job.fields if f.form.shape == "numbered"]
    needed = f"--current: the PIM's own export is needed: {job.target.title}"
    if job.target.carry:
        raise UsageError(f"{needed} needs {job.target.carry[0]} with each row")
    if replacing or grouped:
        raise UsageError(f"{needed} replaces all {(replacing or grouped)[0]} of a product by those of its row")
    if job.config.overwrite != "all":
        raise UsageError(
            f"{needed} may have values that a person gave. Without it, every value is replaced, which --overwrite all "
            "allows"
        )
    job.reporter.warn("without --current there is no undo, and nothing says what changes or is gone")


def _plan(job: _Job, state: State | None, export_id: str, changes: TableSpool) -> Report:
    """Decide about every item; changes are spooled by CHANGE."""
    config = job.config
    checked = check_map(job.fields, job.target, job.taxonomy, state, config.create, job.map.taxonomy)
    runs = [entry.directory for entry in job.tags.entries]
    runs += [e.directory for name in config.earlier for e in read_ledger(resolve_location(name, config), "--earlier")]
    exported = Exported((t for run in runs for t in exported_of(run)), _record_name(job))
    overwrite = "all" if config.write_as == "proposal" else config.overwrite
    held = job.proposed.outcome if job.proposed else lambda item: None
    fields = with_siblings(job.fields, job.taxonomy, state)
    planner = Planner(fields, state, exported, overwrite, refusing(job.fields, checked.refused), held)
    how = job.target.how_proposals if config.write_as == "proposal" else job.target.how
    report = Report(job.name, job.target.title, how, findings=planner.findings)
    report.unknown = checked.unknown
    report.products, report.live = (state.products, sum(state.live.values())) if state is not None else (0, 0)
    gone: list[str] = []
    now = datetime.now(UTC)
    for batch in _batches(planner.plan(job.tags.tables())):
        rows: list[dict[str, Any]] = []
        for planned in batch:
            report.count(planned)
            rows += change_rows(planned, _record_name(job), export_id, now)
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


def _record_name(job: _Job) -> str:
    return job.name + (PROPOSAL if job.config.write_as == "proposal" else "")


def _batches(planned: Iterable[Planned]) -> Iterator[list[Planned]]:
    batch: list[Planned] = []
    for each in planned:
        batch.append(each)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    yield batch


def _refusal(job: _Job, report: Report) -> str:
    """Why nothing is written; empty where it is."""
    share, count = parse_share_or_count(job.config.max_changes)
    if job.config.write_as == "proposal" or not report.replaced:
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


def _write(job: _Job, out: Location, state: State | None, report: Report, export_id: str, changes: TableSpool) -> None:
    """Write the import files, their undo, and what changed; keep that with the runs, too."""
    file_format = _format(job)
    is_proposal = job.config.write_as == "proposal"
    by_heading = {field.heading: field for field in job.fields}
    said = confidence_field(job.map, job.target, f"--map {job.config.map}") if is_proposal else None

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
    if state is not None and not is_proposal:
        undo = ImportFiles(out / UNDO, job.name, job.target, file_format)
        report.undo_files = write_values(undo, job.form, job.target, state, old_values(), job.fields)
    write_parquet_tables(out / CHANGES, CHANGE, changes.tables())
    _keep(job, export_id, changes)


def _created(job: _Job, out: Location, report: Report) -> list[WrittenFile]:
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


def _keep(job: _Job, export_id: str, changes: TableSpool) -> None:
    """Keep the changes with the runs that made the predictions, so that later exports and an undo know them."""
    runs = {entry.record.run_id: entry.directory for entry in job.tags.entries}
    used_map = resolve_location(str(job.config.map), job.config).read_bytes()
    of_run: dict[str, list[pa.Table]] = {}
    for table in changes.tables():
        for run_id in table["runId"].unique().to_pylist():
            of_run.setdefault(run_id, []).append(table.filter(pc.equal(table["runId"], run_id)))
    for run_id, tables in of_run.items():
        write_exported(runs[run_id], export_id, pa.concat_tables(tables), used_map)


def _format(job: _Job) -> FileFormat:
    """The form of the files. Raises UsageError for one that the target does not take."""
    chosen = job.config.format or job.target.formats[0]
    if chosen not in job.target.formats:
        raise UsageError(f"--format {chosen}: {job.target.title} takes {' or '.join(job.target.formats)}")
    return chosen


def _say(job: _Job, out: Location, report: Report, is_dry: bool) -> None:
    """Write the report, as a page and as JSON."""
    items = {item for name in shown_moves(report) for item in report.samples.get(name, ())}
    pictures, why = pictures_of(job.tags.entries, items, job.reporter) if job.config.pictures else ({}, "")
    verb = "would be set" if is_dry else "are set"
    page = page_of(report, verb, pictures, why)
    (out / (DRY_RUN if is_dry else REPORT)).write_text(page)
    (out / (DRY_RUN_JSON if is_dry else REPORT_JSON)).write_text(as_json(report.as_document()))
