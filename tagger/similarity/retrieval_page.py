"""A page that shows how well vectors find items of the same class: one HTML file without external resources."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, select_autoescape

from tagger.evaluation.pictures import Pictures
from tagger.evaluation.shares import in_hundred
from tagger.schemas.documents.taxonomy import Level

Row = Mapping[Hashable, Any]


@dataclass(frozen=True)
class Example:
    """A query item, and the items that each kind of vectors found for it."""

    query: Row
    retrieved: Mapping[str, Sequence[Row]]


def page_of(
    summary: pd.DataFrame,
    hardest: pd.DataFrame,
    examples: Sequence[Example],
    facts: Mapping[str, str],
    pictures: Pictures,
) -> str:
    """Render the page as HTML.

    Args:
        summary: Mean figures: vectors, by, queries, precision@k, recall@k, average_precision.
        hardest: The same figures for each class of one relevance, by one kind of vectors.
        examples: Queries with the items found for them.
        facts: Names and values for the page's head.
        pictures: Reads images.
    """
    shown = [row for e in examples for row in (e.query, *(r for rows in e.retrieved.values() for r in rows))]
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
        sentences=_first_hits(summary),
    )


def _first_hits(summary: pd.DataFrame) -> list[str]:
    """How often the first hit has the same article type, in a sentence for each kind of vectors."""
    rows = summary[summary["by"] == str(Level.ARTICLE_TYPE)].to_dict("records")
    what = "first hits are of the same article type"
    return [f"By {row['vectors']}, {in_hundred(row['precision@1'], row['queries'], what)}." for row in rows]
