"""Compares several kinds of vectors of one catalogue on the same queries and the same gallery."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tagger.errors import InputError, UsageError
from tagger.schemas.documents.taxonomy import Level
from tagger.similarity.index import VectorIndex
from tagger.similarity.retrieval import SHOWN, Relevance, Retrieved
from tagger.similarity.retrieval_page import Example


@dataclass(frozen=True)
class CommonItems:
    """The labelled items that several indexes have in common."""

    frame: pd.DataFrame
    """As the first index has them, N rows."""
    positions: dict[str, np.ndarray]
    """Their positions in each index, int64 [N], by the index's name."""

    @classmethod
    def of(cls, indexes: Mapping[str, VectorIndex]) -> "CommonItems":
        """Join the items of indexes by id. Raises InputError when they have none in common."""
        first = next(iter(indexes.values()))
        frame = first.items.to_pandas()[first.is_live]
        frame = frame[frame["labelled"]].reset_index(drop=True)
        positions = {name: index.positions(frame["id"].tolist()) for name, index in indexes.items()}
        in_all = np.all([n >= 0 for n in positions.values()], axis=0)
        if not in_all.any():
            raise InputError("INDEX: they have no labelled item in common; tagger index --manifest M labels them")
        return cls(frame[in_all].reset_index(drop=True), {name: n[in_all] for name, n in positions.items()})

    def relevance(self, by: Sequence[str], queries: np.ndarray, gallery: np.ndarray) -> dict[str, Relevance]:
        """The class codes of queries and gallery, by the two levels and by more columns.

        Args:
            by: More columns, which the first index keeps.
            queries: Rows of the queries, int [Q].
            gallery: Rows of the gallery, int [G].

        Raises:
            UsageError: for a column that the index does not keep.
        """
        relevance = {}
        for name in [*map(str, Level), *by]:
            if name not in self.frame.columns:
                raise UsageError(f"--by {name}: the index has no such column; tagger index --keep {name} keeps it")
            codes = self.frame[name].replace("", None).factorize()[0].astype(np.int32)  # -1 for none
            relevance[name] = (codes[queries], codes[gallery])
        return relevance

    def examples(
        self,
        queries: np.ndarray,
        gallery: np.ndarray,
        retrieved: Mapping[str, Retrieved],
        count: int,
        seed: int,
    ) -> list[Example]:
        """Sample queries, each of another article type, with the items that each kind of vectors found."""
        order = np.random.default_rng(seed).permutation(len(queries))
        article = self.frame[str(Level.ARTICLE_TYPE)].to_numpy(object)
        _, first = np.unique(article[queries[order]], return_index=True)
        rows = self.frame.to_dict("records")
        return [
            Example(
                rows[queries[n]],
                {name: [rows[i] for i in gallery[r.nearest[n][:SHOWN]]] for name, r in retrieved.items()},
            )
            for n in order[np.sort(first)][:count].tolist()
        ]


def mean_figures(figures: pd.DataFrame) -> pd.DataFrame:
    """Mean figures of each kind of vectors and relevance, with the number of queries, in the order of the input.

    Args:
        figures: Figures of `Retrieved`, with a column `vectors`.
    """
    return _mean(figures, ["vectors", "by"])


def mean_of_classes(figures: pd.DataFrame, queries: pd.DataFrame) -> pd.DataFrame:
    """The figures of `mean_figures` for each class of each relevance.

    Args:
        figures: Figures of `Retrieved`, with a column `vectors`.
        queries: The query items; the column `query` of the figures holds their rows.
    """
    pieces = [
        rows.assign(**{"class": queries[str(by)].to_numpy(object)[rows["query"]]}) for by, rows in figures.groupby("by")
    ]
    return _mean(pd.concat(pieces), ["vectors", "by", "class"])


def _mean(figures: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    groups = figures.drop(columns="query").groupby([*by], sort=False)
    measured = [c for c in figures.columns if "@" in c or c == "average_precision"]
    return groups[measured].mean().assign(queries=groups.size()).reset_index()
