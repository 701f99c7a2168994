"""The page of an export or of its dry run, with pictures of each move: one HTML file without external resources."""

from collections.abc import Mapping
from typing import Any

from tagger.evaluation.standalone import page_environment
from tagger.pim.report import NOTHING, Report
from tagger.schemas.tables.change import Outcome

_MOST_MOVES = 60
_MOST_KEPT = 30


def shown_moves(report: Report) -> list[tuple[str, str, str]]:
    """The moves that the page has, in its order."""
    return [name for name, _ in report.largest()][:_MOST_MOVES]


def page_of(report: Report, verb: str, pictures: Mapping[str, str], why_no_pictures: str) -> str:
    """Render the page as HTML.

    Args:
        report: What is exported.
        verb: What is done with it, such as `would be set`.
        pictures: Thumbnails by id.
        why_no_pictures: Said where there are none.
    """
    environment = page_environment(__file__)
    moves = [
        {
            "field": heading, "old": old, "new": new, "items": report.moves[(heading, old, new)],
            "fills": old == NOTHING,
            "samples": [(item, pictures.get(item, "")) for item in report.samples.get((heading, old, new), ())],
        }
        for heading, old, new in shown_moves(report)
    ]  # fmt: skip
    context: dict[str, Any] = {
        "report": report,
        "verb": verb,
        "moves": moves,
        "more_moves": len(report.moves) - len(moves),
        "outcomes": [(outcome, report.outcomes[outcome]) for outcome in Outcome if report.outcomes[outcome]],
        "unmapped": report.findings.unmapped.most_common(),
        "kept": report.findings.kept.most_common(_MOST_KEPT),
        "more_kept": max(0, len(report.findings.kept) - _MOST_KEPT),
        "held": report.findings.held.most_common(),
        "examples": report.findings.examples,
        "why_no_pictures": why_no_pictures,
    }
    return environment.get_template("preflight.html").render(context)
