"""Results of several recipes, as a table and as a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

import pandas as pd

from tagger.evaluation.shares import with_interval
from tagger.io.location import Location
from tagger.printable import duration
from tagger.schemas.configs.train import ResultsConfig
from tagger.schemas.documents.bundle import ModelCard
from tagger.schemas.documents.taxonomy import Level

_FIGURES = {
    "masterCategory": (Level.MASTER_CATEGORY, "accuracy", True),
    "articleType": (Level.ARTICLE_TYPE, "accuracy", True),
    "weighted F1": (Level.ARTICLE_TYPE, "weighted_f1", False),
    "macro F1": (Level.ARTICLE_TYPE, "macro_f1", False),
    "ECE master": (Level.MASTER_CATEGORY, "expected_calibration_error", False),
    "ECE type": (Level.ARTICLE_TYPE, "expected_calibration_error", False),
}
_HEADS = {
    "masterCategory": "master category right",
    "articleType": "article type right",
    "ECE master": "calibration error, master",
    "ECE type": "calibration error, type",
}


@dataclass(frozen=True)
class Line:
    """A recipe, or an average of several, with its bundles by seed."""

    name: str
    folder: Location
    """Folder of the first bundle."""
    cards: Sequence[ModelCard]
    changed: Mapping[str, Any]
    """Settings that override the recipe."""

    @property
    def accuracy(self) -> float:
        """Mean article type accuracy of the bundles on the test items, 0 to 1."""
        return mean(card.metrics[0].levels[Level.ARTICLE_TYPE].accuracy for card in self.cards)


def table_of(lines: Sequence[Line]) -> pd.DataFrame:
    """One row per line: means over its bundles of the test metrics and of the time, as text.

    Accuracies are in percent, without a sign.
    """
    return pd.DataFrame([_row(line) for line in lines])


def for_display(table: pd.DataFrame) -> pd.DataFrame:
    """A table of `table_of` for display: with plain heads and percent signs."""
    signed = {name: table[name] + "%" for name, (_, _, is_share) in _FIGURES.items() if is_share}
    return table.assign(**signed).rename(columns=_HEADS)


def _row(line: Line) -> dict[str, object]:
    row: dict[str, object] = {"recipe": line.name}
    for title, (level, figure, is_share) in _FIGURES.items():
        values = [getattr(card.metrics[0].levels[level], figure) for card in line.cards]
        row[title] = f"{100 * mean(values):.2f}" if is_share else f"{mean(values):.4f}"
    row["time"] = duration(mean(card.provenance.training_s for card in line.cards))
    return row


def page_of(config: ResultsConfig, lines: Sequence[Line], table: pd.DataFrame, device: str) -> str:
    """The table as a Markdown page, with its catalogue and device."""
    first, shown = lines[0].cards[0], for_display(table)
    sides = ", ".join(f"{count:,} {side}" for side, count in first.provenance.split_items.items())
    text = [
        "# Results",
        "",
        _best_in_words(lines),
        "",
        f"Every recipe on one catalogue: {len(first.taxonomy.classes(Level.MASTER_CATEGORY))} master categories, "
        f"{len(first.taxonomy.classes(Level.ARTICLE_TYPE))} article types, {sides} items. Figures are of the test "
        f"items, {seeds_in_words(config)}; {_drawn(config)}. Weighted and macro F1 "
        "are those of article types; the calibration error is the expected one, in 15 bins.",
        "",
        f"Device: {device}. PyTorch {first.provenance.versions['torch']}.",
        "",
        "| " + " | ".join(shown.columns) + " |",
        "|" + "---|" * len(shown.columns),
        *("| " + " | ".join(map(str, row)) + " |" for row in shown.itertuples(index=False)),
        "",
    ]
    changed = [f"- {line.name}: {_in_words(line.changed)}" for line in lines if line.changed]
    if changed:
        text += ["Settings that are not the recipes' own:", "", *changed, ""]
    spread = [f"- {line.name}: {_spread(line)}" for line in lines if len(line.cards) > 1]
    if spread:
        text += ["Article types right, seed by seed:", "", *spread, ""]
    return "\n".join(text)


def _best_in_words(lines: Sequence[Line]) -> str:
    """The best line and its accuracy with an interval, that of the test items of one bundle."""
    best = max(lines, key=lambda line: line.accuracy)
    items = best.cards[0].metrics[0].levels[Level.ARTICLE_TYPE].items
    return (
        f"Best: {best.name}, {with_interval(best.accuracy, items)} of {items:,} test items have the right article type."
    )


def _in_words(settings: Mapping[str, Any]) -> str:
    """Settings in words, without folders of this machine."""
    texts = {name: str(value) for name, value in settings.items()}
    files = {n: f"file {file_name(text)}" for n, text in texts.items() if text.startswith("file:")}
    return ", ".join(f"{name} {files.get(name, text)}" for name, text in texts.items())


def _spread(line: Line) -> str:
    return ", ".join(f"{100 * card.metrics[0].levels[Level.ARTICLE_TYPE].accuracy:.2f}%" for card in line.cards)


def seeds_in_words(config: ResultsConfig) -> str:
    """The seeds in words."""
    seeds = ", ".join(map(str, config.seed))
    return f"mean of seeds {seeds}" if len(config.seed) > 1 else f"seed {seeds}"


def _drawn(config: ResultsConfig) -> str:
    seed = config.split_seed
    return "a seed draws the split, too" if seed is None else f"the split is that of seed {seed}"


def file_name(name: str) -> str:
    """A recipe's name, or its file name without folders."""
    return name.rpartition("/")[2]
