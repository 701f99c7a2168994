"""Combines the evidence against the labels of a catalogue's items, and ranks the findings."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tagger.auditing.learning import confident_classes
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.prediction import ReviewReason
from tagger.similarity.index import VectorIndex

MASTER, ARTICLE = str(Level.MASTER_CATEGORY), str(Level.ARTICLE_TYPE)
_NEIGHBOURS = 10
_SEARCH_BATCH = 4096
_OUTLIER_RANGES = 3.0
_DOMINANT = 0.9


@dataclass(frozen=True)
class Judged:
    """Probabilities of L leaves for N items, those whose leaf has enough items."""

    rows: np.ndarray
    """Rows of these items among all items, int [N]."""
    leaves: pd.DataFrame
    """masterCategory and articleType of each leaf, L rows."""
    labels: np.ndarray
    """Leaf of each item by its label, int [N]."""
    image: np.ndarray
    """Probabilities by the image alone, float32 [N, L]."""
    title: np.ndarray | None
    """Probabilities by the title alone, float32 [N, L]; None without titles."""
    both: np.ndarray
    """Probabilities by image and title, float32 [N, L]; those by the image without titles."""

    @property
    def label_probability(self) -> np.ndarray:
        """The probability of each label, [N]."""
        return np.asarray(self.both[np.arange(len(self.labels)), self.labels])


def findings(items: pd.DataFrame, judged: Judged, distances: np.ndarray, in_conflict: np.ndarray) -> pd.DataFrame:
    """The items with at least one reason against their label, the most suspicious first.

    Columns are `reasons`, `score` (probability that the label is wrong), `suggestedMasterCategory`,
    `suggestedArticleType`, `suggestionConfidence`, `imageSays`, `titleSays` and `distance`. The index holds the rows of
    `items`.

    Args:
        items: The labels of N items: masterCategory and articleType.
        judged: Probabilities of the leaves for the items that could be judged.
        distances: Distance of each item to its nearest images, [N]; see `neighbour_distances`.
        in_conflict: Items whose image another item has with another label, bool [N].
    """
    size = len(items)
    dominant = dominant_masters(items)
    unjudged = np.ones(size, bool)
    unjudged[judged.rows] = False
    differs = (dominant["masterCategory"] != items[MASTER]).to_numpy()
    is_misplaced = differs & (unjudged | (dominant["share"] >= _DOMINANT).to_numpy())
    suggestion = confident_classes(judged.both, judged.labels)
    is_wrong = np.zeros(size, bool)
    is_wrong[judged.rows] = suggestion != judged.labels
    flags = {
        ReviewReason.LABEL_ERROR: is_wrong,
        ReviewReason.IMAGE_DISAGREES: _is_contradicted(judged, judged.image, size) & is_wrong,
        ReviewReason.TITLE_DISAGREES: _is_contradicted(judged, judged.title, size) & is_wrong,
        ReviewReason.TAXONOMY_CONFLICT: is_misplaced,
        ReviewReason.DUPLICATE_CONFLICT: in_conflict,
        ReviewReason.OUTLIER: distances > outlier_threshold(distances),
    }
    table = pd.DataFrame(index=pd.RangeIndex(size))
    table["reasons"] = pd.Series(_reason_names(flags), dtype=object)
    table["score"] = _scores(judged, dominant["share"].to_numpy(), is_misplaced & unjudged)
    suggested = judged.leaves.iloc[suggestion].reset_index(drop=True)
    table.loc[judged.rows, "suggestedMasterCategory"] = suggested[MASTER].to_numpy()
    table.loc[judged.rows, "suggestedArticleType"] = suggested[ARTICLE].to_numpy()
    table.loc[judged.rows, "suggestionConfidence"] = judged.both[np.arange(len(suggestion)), suggestion]
    table.loc[judged.rows, "imageSays"] = judged.leaves[ARTICLE].to_numpy()[judged.image.argmax(axis=1)]
    if judged.title is not None:
        table.loc[judged.rows, "titleSays"] = judged.leaves[ARTICLE].to_numpy()[judged.title.argmax(axis=1)]
    else:
        table["titleSays"] = None
    only_misplaced = is_misplaced & ~is_wrong
    table.loc[only_misplaced, "suggestedMasterCategory"] = dominant.loc[only_misplaced, "masterCategory"].to_numpy()
    table.loc[only_misplaced, "suggestedArticleType"] = items.loc[only_misplaced, ARTICLE].to_numpy()
    table.loc[only_misplaced, "suggestionConfidence"] = None
    table.loc[
        ~is_wrong & ~is_misplaced, ["suggestedMasterCategory", "suggestedArticleType", "suggestionConfidence"]
    ] = None
    table["distance"] = distances
    for name in ("suggestedMasterCategory", "suggestedArticleType", "imageSays", "titleSays"):
        table[name] = table[name].astype(object).where(table[name].notna(), None)
    flagged = table[np.any(list(flags.values()), axis=0)]
    return flagged.sort_values(["score", "distance"], ascending=False, kind="stable")


def dominant_masters(items: pd.DataFrame) -> pd.DataFrame:
    """The dominant master category of each item's article type, and the share of its items that have it."""
    counts = items.groupby([ARTICLE, MASTER], observed=True).size().rename("items").reset_index()
    counts["share"] = counts["items"] / counts.groupby(ARTICLE)["items"].transform("sum")
    dominant = (
        counts.sort_values(["items", MASTER], ascending=[False, True]).drop_duplicates(ARTICLE).set_index(ARTICLE)
    )
    usual = dominant.loc[items[ARTICLE], [MASTER, "share"]].reset_index(drop=True)
    return usual.set_axis(["masterCategory", "share"], axis=1)


def neighbour_distances(index: VectorIndex, positions: np.ndarray) -> np.ndarray:
    """Mean distance, 1 - cosine, of items to their ten nearest other images, float32 [N].

    An item that is far from all others is an outlier (Ramaswamy, Rastogi and Shim 2000, "Efficient algorithms for
    mining outliers from large data sets"; for deep features Sun et al. 2022, arXiv:2204.06507).

    Args:
        index: The index that holds the vectors.
        positions: Positions of the items in it, int64 [N].
    """
    digests = index.items["imageDigest"].to_pandas().factorize()[0]

    def allowed(queries: np.ndarray, candidates: np.ndarray) -> np.ndarray:
        return np.asarray(digests[candidates] != digests[block[queries]])

    _, first_of, image = np.unique(digests[positions], return_index=True, return_inverse=True)
    distinct, means = positions[first_of], []
    for first in range(0, len(distinct), _SEARCH_BATCH):
        block = distinct[first : first + _SEARCH_BATCH]
        nearest = index.search(index.vectors(block), _NEIGHBOURS, allowed)
        is_a_neighbour = nearest.positions >= 0
        sums = np.where(is_a_neighbour, 1 - nearest.cosines, 0).sum(axis=1)
        means.append(sums / np.maximum(is_a_neighbour.sum(axis=1), 1))
    return np.concatenate([np.zeros(0), *means]).astype(np.float32)[image]


def outlier_threshold(distances: np.ndarray) -> float:
    """The distance above which an item is an outlier: three interquartile ranges over the upper quartile (Tukey 1977).

    It is infinite without distances.
    """
    if not len(distances):
        return np.inf
    lower, upper = np.quantile(distances, [0.25, 0.75])
    return float(upper + _OUTLIER_RANGES * (upper - lower))


def _is_contradicted(judged: Judged, witness: np.ndarray | None, size: int) -> np.ndarray:
    """Which items have a label that one witness contradicts, bool [size]."""
    is_contradicted = np.zeros(size, bool)
    if witness is not None:
        is_contradicted[judged.rows] = confident_classes(witness, judged.labels) != judged.labels
    return is_contradicted


def _scores(judged: Judged, usual_share: np.ndarray, misplaced: np.ndarray) -> np.ndarray:
    """The probability that each label is wrong; for misplaced items that were not judged, the dominant share."""
    scores = np.where(misplaced, usual_share, 0.0)
    scores[judged.rows] = 1 - judged.label_probability
    return scores


def _reason_names(flags: dict[ReviewReason, np.ndarray]) -> Sequence[list[str]]:
    which = np.stack(list(flags.values()), axis=1)
    names = np.array([str(reason) for reason in flags], object)
    return [names[row].tolist() for row in which]
