"""Output of the attributes that a bundle was taught: how often each is right, beside what it takes no model for."""

from pydantic.alias_generators import to_camel

from tagger.jobs.shell.console import Console
from tagger.jobs.shell.figures import percent
from tagger.workflows.attributes_taught import AttributeFigures, AttributesResult


def show(console: Console, result: AttributesResult) -> None:
    """Print a row for each attribute and each kind of evidence."""
    rows: list[tuple[object, ...]] = []
    for one in result.figures:
        rows.append((f"{one.name}, {one.values} values", "most frequent value", one.items, percent(one.most_frequent)))
        rows.append(("", "most frequent of the article type", one.items, percent(one.by_type)))
        for evidence, metrics in one.by.items():
            by_chance = percent(metrics.calibration_error_by_chance)
            error = f"{percent(metrics.expected_calibration_error)} ({by_chance})"
            rows.append(("", evidence, metrics.items, percent(metrics.accuracy), f"{metrics.macro_f1:.3f}", error))
    columns = ["attribute", "by", "test items", "right", "macro F1", "calibration error (by chance)"]
    console.table("Further tags", columns, [(*row, *[""] * (len(columns) - len(row))) for row in rows])


def documents(result: AttributesResult) -> dict[str, object]:
    """The same by attribute, for `--json`; shares from 0 to 1."""
    return {one.name: _document(one) for one in result.figures}


def _document(one: AttributeFigures) -> dict[str, object]:
    names = ("values", "items", "most_frequent", "by_type")
    by = {str(evidence): metrics.model_dump(mode="json", by_alias=True) for evidence, metrics in one.by.items()}
    return {to_camel(name): getattr(one, name) for name in names} | {"by": by}
