"""The export command: writes import files for a PIM, after saying what would change."""

from tagger.jobs.shell.console import Console
from tagger.jobs.shell.figures import percent
from tagger.jobs.shell.next_command import next_line
from tagger.pim.drafting import summary
from tagger.pim.report import Report
from tagger.schemas.configs.export import ExportConfig
from tagger.schemas.tables.change import Outcome
from tagger.workflows.export import DRY_RUN, DRY_RUN_NOT_SET, NOT_SET, REPORT, ExportResult, export
from tagger.workflows.export_map import DraftedMap, write_map
from tagger.workflows.export_writing import UNDO

_MOST_MOVES, _MOST_ROWS = 12, 10


def run(config: ExportConfig, console: Console) -> int:
    """Draft a map, or write what changes; with a dry run, say it alone."""
    if config.write_map is not None:
        _say_of_map(config, console, write_map(config, console))
        return 0
    result = export(config, console)
    _say(config, console, result)
    return 0


def _say_of_map(config: ExportConfig, console: Console, result: DraftedMap) -> None:
    drafted = result.drafted
    console.table(
        f"A map for {drafted.classes:,} classes, which have {drafted.items:,} items to set",
        ["field", "sure", "to choose", "items of sure classes"],
        [(heading, sure, _classes(result, heading) - sure, items) for heading, sure, items in summary(drafted)],
    )
    console.say(f"Map: {result.file}")
    console.result(
        {
            "map": str(result.file),
            "classes": drafted.classes,
            "items": drafted.items,
            "sure": drafted.sure,
            "sureItems": drafted.sure_items,
        }
    )
    console.say("Check it, and choose what is missing. Then see what would change:")
    current = [word for name in config.current for word in ("--current", name)] or ["--current", "EXPORT"]
    taxonomy = [word for name in config.taxonomy for word in ("--taxonomy", name)]
    words = ["export", config.run, "--map", str(config.write_map), *current, *taxonomy, "--out", "export", "--dry-run"]
    console.say(next_line(config, *words))


def _classes(result: DraftedMap, heading: str) -> int:
    values = result.drafted.map.fields[heading].values
    return len(values) if isinstance(values, dict) else 0


def _say(config: ExportConfig, console: Console, result: ExportResult) -> None:
    report = result.report
    is_dry = result.export_id is None
    for warning in report.warnings:
        console.warn(warning)
    console.table(
        f"{report.title}: {report.items:,} {'item' if report.items == 1 else 'items'}",
        ["what becomes of them", "items"],
        [(outcome.words, report.outcomes[outcome]) for outcome in Outcome if report.outcomes[outcome]],
    )
    _say_of_moves(console, report)
    _say_of_refused(console, report)
    if is_dry:
        console.say(f"Nothing is written but the report, {result.out / DRY_RUN}, and {DRY_RUN_NOT_SET} beside it")
    else:
        for file in report.files:
            sets = f" ({', '.join(file.columns)})" if file.columns else ""
            console.say(f"  {file.name}: {file.rows:,} {'row' if file.rows == 1 else 'rows'}{sets}")
        if report.undo_files:
            console.say(f"Undo: {result.out / UNDO}, as long as nobody has changed these products since")
        console.say(f"Report: {result.out / REPORT}; what is not set, and why: {NOT_SET}")
    document = {"out": str(result.out), "exportId": result.export_id, "replacedShare": report.replaced_share}
    console.result({**document, **report.as_document()})
    if not is_dry:
        console.say(f"Next: {report.how}")


def _say_of_moves(console: Console, report: Report) -> None:
    if not report.moves:
        return
    shown = list(report.largest())
    console.table(
        f"{report.filled:,} empty {'field' if report.filled == 1 else 'fields'} to fill, {report.replaced:,} "
        f"{'value' if report.replaced == 1 else 'values'} to replace"
        + (f" ({percent(report.replaced_share, 1)} of the {report.live:,} that the PIM has)" if report.live else ""),
        ["field", "has", "gets", "items"],
        [(*name, items) for name, items in shown[:_MOST_MOVES]],
    )
    if len(shown) > _MOST_MOVES:
        console.say(f"and {len(shown) - _MOST_MOVES:,} smaller moves")


def _say_of_refused(console: Console, report: Report) -> None:
    found = report.findings
    if found.unmapped:
        console.table(
            "Classes that the map does not have",
            ["field", "class", "items"],
            [(heading, of, items) for (heading, of), items in found.unmapped.most_common()],
        )
    if found.kept:
        console.table(
            "Values of the PIM that stay, since no export wrote them (--overwrite replaces them)",
            ["field", "has", "the tags say", "items"],
            [(*name, items) for name, items in found.kept.most_common(_MOST_ROWS)],
        )
    if found.held:
        console.table(
            "Held back",
            ["reason", "items", "such as"],
            [
                (reason, n, ", ".join(found.examples.get(reason, ())))
                for reason, n in found.held.most_common(_MOST_ROWS)
            ],
        )


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="export")
