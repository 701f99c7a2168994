"""Takes a run's values back: from what is applied, and from the PIM."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from tagger.errors import InputError, UsageError
from tagger.exports.csv import harmless
from tagger.io.completion import mark_complete
from tagger.io.json_text import as_json
from tagger.io.location import Location
from tagger.machine import user_name
from tagger.notices import Notices
from tagger.pim.fields import Field, fields_of
from tagger.pim.files import ImportFiles, WrittenFile, csv_line
from tagger.pim.forms import form_of
from tagger.pim.map_file import read_map
from tagger.pim.state import State
from tagger.pim.targets import load_target
from tagger.pim.undo import Restored, UndoReport, undo
from tagger.pim.writing import write_values
from tagger.reporter import LOG, Reporter
from tagger.runs.exported import exported_of, map_of, write_exported
from tagger.runs.ledger import LedgerEntry, read_ledger
from tagger.runs.roots import ROLLBACK
from tagger.schemas.configs.export import RollbackConfig
from tagger.schemas.documents.target import Target
from tagger.schemas.tables.change import CHANGE, ChangeKind
from tagger.workflows.export_job import PROPOSAL, files_of
from tagger.workflows.export_writing import chosen_format
from tagger.workflows.open_catalog import new_folder, resolve_location

LEFT_ALONE = "left-alone.csv"


@dataclass
class RollbackResult:
    """What was taken back."""

    run: Location
    exports: int
    """Number of the run's exports that stood."""
    products: int
    """Number of products that they had changed."""
    target: str | None = None
    report: UndoReport = field(default_factory=UndoReport)
    files: list[WrittenFile] = field(default_factory=list)
    out: Location | None = None
    is_run_rolled_back: bool = False
    how: str = ""


def rollback(config: RollbackConfig, reporter: Reporter = LOG) -> RollbackResult:
    """Take a run's values back.

    Its predictions no longer count (`tagger latest`, `apply`, `export` and `--known` pass them over), what people
    decided does. With the PIM's own export as it is now, import files restore what the run's exports replaced; what
    somebody has changed since stays.

    Args:
        config: The run, the PIM's own export, and the folder to write to.
        reporter: Where progress and warnings go.

    Returns:
        What is restored, and what stays.

    Raises:
        UsageError: when there is no run, several to choose from, or several targets.
        InputError: when the PIM's export breaks its form, or no export of the run stands.

    Example::

        from tagger import RollbackConfig, rollback

        result = rollback(RollbackConfig(run="run-1", current=["products.csv"], out="undo"))
        print(result.report.products)
    """
    source = resolve_location(config.run, config)
    entries = read_ledger(source, "RUN")
    if len(entries) > 1:
        raise UsageError(f"RUN: {source} holds {len(entries)} runs; name the one that is to be taken back")
    entry = entries[0]
    standing = _standing(entry)
    if config.to:
        standing = [row for row in standing if row["target"] == config.to]
    exports, products = {row["exportId"] for row in standing}, {(row["target"], row["key"]) for row in standing}
    result = RollbackResult(source, len(exports), len(products))
    if config.current:
        _restore(config, reporter, entry, standing, result)
    if not config.keep_run and not config.dry_run:
        about = {"at": datetime.now(UTC).isoformat(), "by": user_name()}
        (entry.directory.root / ROLLBACK).write_text(as_json(about))
    result.is_run_rolled_back = not config.keep_run
    return result


def _standing(entry: LedgerEntry) -> list[dict[str, Any]]:
    """The changes that the run's exports made and no undo took back, the newest first."""
    rows = [row for table in exported_of(entry.directory) for row in table.to_pylist()]
    undone: set[tuple[str, str, str]] = set()
    standing = []
    for row in sorted(rows, key=lambda row: row["madeAt"], reverse=True):
        place = (row["target"], row["heading"], row["key"])
        if row["kind"] == ChangeKind.UNDO:
            undone.add(place)
        elif place not in undone:
            standing.append(row)
    return standing


def _restore(
    config: RollbackConfig,
    reporter: Reporter,
    entry: LedgerEntry,
    standing: Sequence[Mapping[str, Any]],
    result: RollbackResult,
) -> None:
    """Write what restores the PIM."""
    targets = sorted({row["target"] for row in standing if not row["target"].endswith(PROPOSAL)})
    if not targets:
        raise InputError(f"RUN: {result.run} has no export{f' to {config.to}' if config.to else ''} that stands")
    if len(targets) > 1:
        raise UsageError(f"RUN: {result.run} was exported to {', '.join(targets)}; choose one with --to")
    result.target = targets[0]
    target = load_target(result.target)
    rows = [row for row in standing if row["target"] == result.target]
    used_map = map_of(entry.directory, rows[0]["exportId"])
    export_map = read_map(used_map, "exports")
    fields = _fields(entry, rows, target)
    notices = Notices()
    notices.listen(reporter.warn)
    form = form_of(target, export_map, fields, [])
    files = files_of(config.current, config, "--current")
    reporter.step(f"Reading {', '.join(file.name for file in files)}")
    state = State(form.records(files, notices), fields, target.key)
    restored = list(_restored(rows, fields, state, result.report))
    result.how = target.how
    if config.dry_run:
        return
    out = result.out = new_folder(str(config.out), config)
    written = ImportFiles(out, result.target, target, chosen_format(config.format, target))
    changes = ((each.record, each.values) for each in restored if each.values)
    result.files = write_values(written, form, target, state, changes, fields)
    _write_left_alone(out, result.report)
    _keep(entry, restored, used_map)
    mark_complete(out)


def _fields(entry: LedgerEntry, rows: Sequence[Mapping[str, Any]], target: Target) -> list[Field]:
    """The fields that the exports changed, as the newest of these had each; all where a file has to be whole."""
    found: dict[str, Field] = {}
    for export_id in dict.fromkeys(row["exportId"] for row in rows):
        export_map = read_map(map_of(entry.directory, export_id), "exports")
        for each in fields_of(export_map, target, "exports"):
            found.setdefault(each.heading, each)
    changed = {row["heading"] for row in rows}
    return [each for heading, each in found.items() if target.is_whole or heading in changed]


def _restored(
    rows: Sequence[Mapping[str, Any]], fields: Sequence[Field], state: State, report: UndoReport
) -> Iterator[Restored]:
    by_product: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        by_product.setdefault((row["key"], row["id"]), []).append(row)
    by_heading = {each.heading: each for each in fields}
    for (key, item), changes in by_product.items():
        at = state.find(item)
        if at < 0:
            report.gone.append(key)
            continue
        each = undo(state.record(at), changes, by_heading)
        report.products += bool(each.values)
        for change in each.taken_back:
            back = ", ".join(each.values[by_heading[change["heading"]]]) or "(nothing)"
            report.restored[(change["heading"], change["value"], back)] += 1
        for change in each.left_alone:
            now = ", ".join(each.record.values.get(change["heading"], ())) or "(nothing)"
            report.left_alone.append((key, change["heading"], change["value"], now))
        yield each


def _write_left_alone(out: Location, report: UndoReport) -> None:
    if report.left_alone:
        lines = [["key", "field", "exported", "now"], *([harmless(cell) for cell in row] for row in report.left_alone)]
        (out / LEFT_ALONE).write_bytes(b"".join(csv_line(line, ",") for line in lines))


def _keep(entry: LedgerEntry, restored: Sequence[Restored], used_map: Location) -> None:
    """Keep the undo with the run, so that later exports and undos know that these values no longer stand."""
    now = datetime.now(UTC)
    undo_id = f"{now:%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:8]}"
    rows = []
    for each in restored:
        for change in {c["heading"]: c for c in each.taken_back}.values():
            values = next(v for f, v in each.values.items() if f.heading == change["heading"])
            rows.append(
                {**change, "kind": ChangeKind.UNDO, "value": None, "took": [change["value"]], "of": None,
                 "before": list(each.record.values.get(change["heading"], ())), "after": list(values),
                 "source": None, "confidence": None, "exportId": undo_id, "madeAt": now}
            )  # fmt: skip
    if rows:
        write_exported(entry.directory, undo_id, pa.Table.from_pylist(rows, schema=CHANGE), used_map.read_bytes())
