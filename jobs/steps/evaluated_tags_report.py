"""Output of what a run's predictions have beside both levels: their evidence, and further tags against labels."""

from tagger.evaluation.further_tags import ALL
from tagger.evaluation.metrics import level_metrics
from tagger.jobs.shell.console import Console
from tagger.jobs.shell.figures import macro_f1, percent
from tagger.schemas.documents.taxonomy import Level
from tagger.workflows.evaluate_tags import EvaluatedTags


def show(console: Console, tags: EvaluatedTags) -> None:
    """Print accuracy by evidence, and a row for each further tag; nothing where images say all and there is no tag."""
    if tags.has_more_than_images:
        rows = [
            (
                evidence,
                one.levels[Level.ARTICLE_TYPE].items,
                percent(one.share),
                *(percent(one.levels[level].accuracy, 2) for level in Level),
            )
            for evidence, one in tags.by_evidence.items()
        ]
        console.table("By what the predictions are based on", ["by", "items", "share", *map(str, Level)], rows)
    tag_rows = []
    for tag in tags.attributes:
        metrics, accepted = level_metrics(tag.by[ALL]), tag.accepted[ALL]
        error = f"{percent(metrics.expected_calibration_error)} ({percent(metrics.calibration_error_by_chance)})"
        figures = (percent(metrics.accuracy), macro_f1(metrics, 3), error)
        tag_rows.append((tag.name, tag.items, *figures, percent(accepted.coverage), percent(accepted.precision, 2)))
    if tag_rows:
        columns = [
            "attribute",
            "items",
            "right",
            "macro F1",
            "calibration error (by chance)",
            "accepted",
            "right of these",
        ]
        console.table("Further tags", columns, tag_rows)
    for tag in tags.attributes:
        if tag.unknown:
            labels = "1 label is a value" if tag.unknown == 1 else f"{tag.unknown:,} labels are values"
            console.say(f"Of {tag.name}, {labels} that the run does not know; this counts as wrong.")
