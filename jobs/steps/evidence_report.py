"""Output of what a bundle was taught of titles and columns: how often each is right, and all together."""

from tagger.evaluation.metrics import MINIMUM_SUPPORT
from tagger.jobs.shell.console import Console
from tagger.jobs.shell.figures import macro_f1
from tagger.schemas.documents.taxonomy import Level
from tagger.workflows.evidence_taught import EvidenceResult
from tagger.workflows.taught_files import WITHOUT_TYPE


def show(console: Console, result: EvidenceResult) -> None:
    """Print the table of who is right how often."""
    rows = rows_of(result)
    levels = [str(level) for level in Level]
    shown = [
        [*(f"{row[name]:.2f}%" if name in levels else row[name] for name in list(row)[:-1]),
         macro_f1(figures[Level.ARTICLE_TYPE])]
        for row, figures in zip(rows, result.by.values(), strict=True)
    ]  # fmt: skip
    console.table(f"{result.items:,} test items: how many are right", list(rows[0]), shown)
    console.say(f"Macro F1 is the mean over the article types with {MINIMUM_SUPPORT} or more of these items.")
    if result.model.titles:
        console.say(f'"{WITHOUT_TYPE.strip()}": the words of an item\'s article type are taken out of its title.')


def rows_of(result: EvidenceResult) -> list[dict[str, str | float]]:
    """The table's rows: who judges, and percentages of what is right."""
    return [
        {
            "by": name,
            str(Level.MASTER_CATEGORY): round(100 * figures[Level.MASTER_CATEGORY].accuracy, 2),
            str(Level.ARTICLE_TYPE): round(100 * figures[Level.ARTICLE_TYPE].accuracy, 2),
            "macro F1": round(figures[Level.ARTICLE_TYPE].macro_f1, 4),
        }
        for name, figures in result.by.items()
    ]
