"""The drift command: says whether a run is like those before it, and holds or releases it."""

from tagger.drift.words import TITLES
from tagger.errors import HoldError
from tagger.evaluation.type_shares import TypeShare
from tagger.jobs.shell.console import Console
from tagger.jobs.shell.figures import percent
from tagger.jobs.shell.next_command import next_line
from tagger.jobs.steps.drift_report import document_of, say_alarms
from tagger.schemas.configs.drift import DriftConfig
from tagger.schemas.documents.drift import DriftDocument
from tagger.workflows.drift import DriftResult, check_drift

_MOST_TYPES = 8


def run(config: DriftConfig, console: Console) -> int:
    """Compare a run with those before it."""
    result = check_drift(config, console)
    if result.document is None:
        console.say(f"{result.run} is released: exports of it are possible again.")
        console.result({"run": str(result.run), "held": False})
        return 0
    _say(console, result, result.document)
    console.result(document_of(result))
    if result.is_held:
        console.say(next_line(config, "drift", config.run, "--release", "why its tags are right"))
    return HoldError.exit_code if result.is_held else 0


def _say(console: Console, result: DriftResult, document: DriftDocument) -> None:
    if document.findings:
        console.table(
            f"{document.items:,} new pictures, against {document.against_items:,} of {len(document.against):,} earlier "
            f"{'run' if len(document.against) == 1 else 'runs'}",
            ["what", "change", "by chance", "all together", ""],
            [
                (
                    TITLES[of.statistic], f"{of.value:.3f}", f"{of.p:.4f}", f"{of.adjusted_p:.3f}",
                    ("alarm, holds" if of.statistic.holds else "alarm") if of.is_alarm else "",
                )
                for of in document.findings
            ],
        )  # fmt: skip
    if any(of.statistic in ("labels", "label_mix") for of in document.alarms):
        _say_types(console, result.shares)
    say_alarms(console, result)
    if result.power:
        console.table(
            "What would be noticed at this size",
            ["planted", "nights", "with an alarm", "held"],
            [(of.plant.words, of.nights, of.seen, of.held) for of in result.power],
        )
    console.say(f"Page: {result.page}")


def _say_types(console: Console, shares: list[TypeShare]) -> None:
    console.table(
        "Types whose share has changed most",
        ["type", "items", "share", "before"],
        [(of.name, of.items, percent(of.share, 1), percent(of.before, 1)) for of in shares[:_MOST_TYPES]],
    )


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="drift")
