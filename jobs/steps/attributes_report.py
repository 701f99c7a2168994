"""Output of the attributes that a bundle was taught: how often each is right, beside what it takes no model for."""

from collections.abc import Mapping
from itertools import chain, repeat

from pydantic.alias_generators import to_camel

from tagger.confidence.trial import TargetTrial
from tagger.jobs.shell.console import Console
from tagger.jobs.shell.figures import macro_f1, percent
from tagger.schemas.documents.bundle import LevelPolicy
from tagger.schemas.tables.prediction import Evidence
from tagger.workflows.attributes_measured import AttributeFigures
from tagger.workflows.attributes_policy import FittedAttribute
from tagger.workflows.attributes_taught import AttributesResult


def show(console: Console, result: AttributesResult) -> None:
    """Print a row for each attribute and each kind of evidence."""
    rows: list[tuple[object, ...]] = []
    for one in result.figures:
        rows.append((f"{one.name}, {one.values} values", "most frequent value", one.items, percent(one.most_frequent)))
        rows.append(("", "most frequent of the article type", one.items, percent(one.by_type)))
        for evidence, metrics in one.by.items():
            by_chance = percent(metrics.calibration_error_by_chance)
            error = f"{percent(metrics.expected_calibration_error)} ({by_chance})"
            rows.append(("", evidence, metrics.items, percent(metrics.accuracy), macro_f1(metrics, 3), error))
    columns = ["attribute", "by", "test items", "right", "macro F1", "calibration error (by chance)"]
    console.table("Further tags", columns, [(*row, *[""] * (len(columns) - len(row))) for row in rows])


def documents(result: AttributesResult) -> dict[str, object]:
    """The same by attribute, for `--json`; shares from 0 to 1."""
    return {one.name: _document(one) for one in result.figures}


def show_policies(console: Console, fitted: Mapping[str, FittedAttribute]) -> None:
    """Print what is accepted of each attribute, by kind of evidence; nothing where there is no attribute."""
    rows = [
        (
            name if first else "",
            kind,
            f"{100 * level.target_precision:g}%",
            _threshold(level),
            percent(level.coverage),
            percent(level.precision, 2),
            percent(one.on_test[kind].coverage),
            percent(one.on_test[kind].precision, 2),
        )
        for name, one in fitted.items()
        for first, (kind, level) in zip(chain([True], repeat(False)), one.policy.by_evidence.items(), strict=False)
    ]
    if rows:
        columns = [
            "attribute",
            "by",
            "target",
            "from confidence",
            "coverage",
            "right",
            "coverage on test",
            "right on test",
        ]
        console.table("What is accepted of further tags", columns, rows)


def show_trials(console: Console, splits: int, trials: Mapping[str, Mapping[Evidence, TargetTrial]]) -> None:
    """Print how often the target of each attribute was met; nothing where there is no attribute."""
    rows = [
        (
            name if first else "",
            kind,
            f"{100 * trial.target:g}%",
            percent(trial.kept, 0) if trial.mean_coverage else "nothing accepted",
            percent(trial.lowest_precision, 2),
            percent(trial.mean_precision, 2),
            percent(trial.mean_coverage),
        )
        for name, by in trials.items()
        for first, (kind, trial) in zip(chain([True], repeat(False)), by.items(), strict=False)
    ]
    if rows:
        columns = ["attribute", "by", "target", "kept in halves", "lowest right", "mean right", "mean coverage"]
        console.table(f"Further tags on {splits} random halves: fitted on one, applied to the other", columns, rows)


def _threshold(level: LevelPolicy) -> str:
    shared = "never" if level.accept_above is None else f"{level.accept_above:.4f}"
    return f"{shared}, {len(level.classes)} values by their own" if level.classes else shared


def _document(one: AttributeFigures) -> dict[str, object]:
    names = ("values", "items", "most_frequent", "by_type")
    by = {str(evidence): metrics.model_dump(mode="json", by_alias=True) for evidence, metrics in one.by.items()}
    return {to_camel(name): getattr(one, name) for name in names} | {"by": by}
