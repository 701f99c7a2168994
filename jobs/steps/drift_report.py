"""What a drift check has found, for people and for machines."""

from tagger.drift.words import alarm_words, not_compared, verdict
from tagger.jobs.shell.console import Console
from tagger.workflows.drift import DriftResult


def say_alarms(console: Console, result: DriftResult) -> None:
    """Say the verdict, and what has changed."""
    if result.document is None:
        return
    (console.warn if result.document.alarms else console.say)(verdict(result.document, result.hold))
    if left_out := not_compared(result.document):
        console.say(f"  {left_out}")
    for finding in result.document.alarms:
        console.say(f"  {alarm_words(finding, result.shares)}")


def document_of(result: DriftResult) -> dict[str, object]:
    """The result of a check for JSON."""
    about = result.document.model_dump(mode="json", by_alias=True) if result.document else {}
    return {
        **about, "run": str(result.run), "held": result.is_held, "page": str(result.page),
        "power": [
            {"plant": str(of.plant), "nights": of.nights, "seen": of.seen, "held": of.held} for of in result.power
        ],
    }  # fmt: skip
