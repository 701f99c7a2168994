"""A page of how well vectors find items of the same class: one file that loads nothing."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, select_autoescape

from tagger.evaluation.pictures import Pictures

Row = Mapping[Hashable, Any]


@dataclass(frozen=True)
class Example:
    """An item, and what each kind of vectors found for it."""

    query: Row
    found: Mapping[str, Sequence[Row]]


def page_of(
    summary: pd.DataFrame,
    hardest: pd.DataFrame,
    examples: Sequence[Example],
    facts: Mapping[str, str],
    pictures: Pictures,
) -> str:
    """The page.

    Args:
        summary: Mean figures: vectors, by, queries, precision@k, recall@k, average_precision.
        hardest: The same for each class of one relevance, by one kind of vectors.
        examples: Queries with what was found.
        facts: What is to be said of all, name and value.
        pictures: Reads images.
    """
    shown = [row for e in examples for row in (e.query, *(r for rows in e.found.values() for r in rows))]
    images = pictures.of([row["imageUri"] for row in shown])
    figures = [c for c in summary.columns if "@" in c] + ["average_precision"]
    folder = Path(__file__).parent / "templates"
    environment = Environment(loader=FileSystemLoader(folder), autoescape=select_autoescape(), trim_blocks=True)
    return environment.get_template("retrieval.html").render(
        summary=summary.to_dict("records"),
        figures=figures,
        hardest=hardest.sort_values("precision@5").to_dict("records"),
        examples=examples,
        images=images,
        facts=facts,
    )
