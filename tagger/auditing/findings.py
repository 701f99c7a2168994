"""What speaks against the labels of a catalogue's items, put together and ranked."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tagger.auditing.learning import contradicted
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.prediction import ReviewReason
from tagger.similarity.index import VectorIndex

MASTER, ARTICLE = str(Level.MASTER_CATEGORY), str(Level.ARTICLE_TYPE)
_NEIGHBOURS = 10
_SEARCHED_AT_ONCE = 4096
_FAR_OUT = 3.0
_DOMINANT = 0.9


@dataclass(frozen=True)
class Judged:
    """What is said of items whose leaf has enough of them, N items and L leaves."""

    rows: np.ndarray
    """Which items these are, int [N]."""
    leaves: pd.DataFrame
    """masterCategory and articleType of each leaf, L rows."""
    own: np.ndarray
    """Leaf of each item by its label, int [N]."""
    image: np.ndarray
    """Probabilities by the image alone, float32 [N, L]."""
    title: np.ndarray | None
    """Probabilities by the title alone, float32 [N, L]; None where titles are not read."""
    both: np.ndarray
    """Probabilities by all that is known, float32 [N, L]."""

    @property
    def label_probability(self) -> np.ndarray:
        """How probable each label is, [N]."""
        return np.asarray(self.both[np.arange(len(self.own)), self.own])


def findings(items: pd.DataFrame, judged: Judged, distances: np.ndarray, in_conflict: np.ndarray) -> pd.DataFrame:
    """The items that something speaks against, the most suspicious first.

    Columns are `reasons`, `score` (how likely the label is wrong), `suggestedMasterCategory`, `suggestedArticleType`,
    `suggestionConfidence`, `imageSays`, `titleSays` and `distance`, by the rows of `items`.

    Args:
        items: masterCategory and articleType of N items, their labels.
        judged: What is said of those that could be judged.
        distances: Of each item to the images that are most like it, [N]; see `neighbour_distances`.
        in_conflict: Items whose image another item has with another label, bool [N].
    """
    size = len(items)
    usual = usual_masters(items)
    unjudged = np.ones(size, bool)
    unjudged[judged.rows] = False
    elsewhere = (usual["masterCategory"] != items[MASTER]).to_numpy()
    misplaced = elsewhere & (unjudged | (usual["share"] >= _DOMINANT).to_numpy())
    rather = contradicted(judged.both, judged.own)
    wrong = np.zeros(size, bool)
    wrong[judged.rows] = rather != judged.own
    flags = {
        ReviewReason.LABEL_ERROR: wrong,
        ReviewReason.IMAGE_DISAGREES: _of(judged, judged.image, size) & wrong,
        ReviewReason.TITLE_DISAGREES: _of(judged, judged.title, size) & wrong,
        ReviewReason.TAXONOMY_CONFLICT: misplaced,
        ReviewReason.DUPLICATE_CONFLICT: in_conflict,
        ReviewReason.OUTLIER: distances > far_out(distances),
    }
    table = pd.DataFrame(index=pd.RangeIndex(size))
    table["reasons"] = pd.Series(_names(flags), dtype=object)
    table["score"] = _scores(judged, usual["share"].to_numpy(), misplaced & unjudged)
    suggested = judged.leaves.iloc[rather].reset_index(drop=True)
    table.loc[judged.rows, "suggestedMasterCategory"] = suggested[MASTER].to_numpy()
    table.loc[judged.rows, "suggestedArticleType"] = suggested[ARTICLE].to_numpy()
    table.loc[judged.rows, "suggestionConfidence"] = judged.both[np.arange(len(rather)), rather]
    table.loc[judged.rows, "imageSays"] = judged.leaves[ARTICLE].to_numpy()[judged.image.argmax(axis=1)]
    if judged.title is not None:
        table.loc[judged.rows, "titleSays"] = judged.leaves[ARTICLE].to_numpy()[judged.title.argmax(axis=1)]
    else:
        table["titleSays"] = None
    alone = misplaced & ~wrong
    table.loc[alone, "suggestedMasterCategory"] = usual.loc[alone, "masterCategory"].to_numpy()
    table.loc[alone, "suggestedArticleType"] = items.loc[alone, ARTICLE].to_numpy()
    table.loc[alone, "suggestionConfidence"] = None
    table.loc[~wrong & ~misplaced, ["suggestedMasterCategory", "suggestedArticleType", "suggestionConfidence"]] = None
    table["distance"] = distances
    for name in ("suggestedMasterCategory", "suggestedArticleType", "imageSays", "titleSays"):
        table[name] = table[name].astype(object).where(table[name].notna(), None)
    flagged = table[np.any(list(flags.values()), axis=0)]
    return flagged.sort_values(["score", "distance"], ascending=False, kind="stable")


def usual_masters(items: pd.DataFrame) -> pd.DataFrame:
    """The master category that most items of each item's article type have, and the share that have it."""
    counts = items.groupby([ARTICLE, MASTER], observed=True).size().rename("items").reset_index()
    counts["share"] = counts["items"] / counts.groupby(ARTICLE)["items"].transform("sum")
    most = counts.sort_values(["items", MASTER], ascending=[False, True]).drop_duplicates(ARTICLE).set_index(ARTICLE)
    usual = most.loc[items[ARTICLE], [MASTER, "share"]].reset_index(drop=True)
    return usual.set_axis(["masterCategory", "share"], axis=1)


def neighbour_distances(index: VectorIndex, positions: np.ndarray) -> np.ndarray:
    """Mean distance, 1 - cosine, of items to the ten other images most like theirs, float32 [N].

    What is far from all others is an outlier (Ramaswamy, Rastogi and Shim 2000, "Efficient algorithms for mining
    outliers from large data sets"; for deep features Sun et al. 2022, arXiv:2204.06507).
    """
    digests = index.items["imageDigest"].to_pandas().factorize()[0]

    def allowed(queries: np.ndarray, candidates: np.ndarray) -> np.ndarray:
        return np.asarray(digests[candidates] != digests[asked[queries]])

    _, first_of, image = np.unique(digests[positions], return_index=True, return_inverse=True)
    distinct, means = positions[first_of], []
    for first in range(0, len(distinct), _SEARCHED_AT_ONCE):
        asked = distinct[first : first + _SEARCHED_AT_ONCE]
        nearest = index.search(index.vectors(asked), _NEIGHBOURS, allowed)
        is_a_neighbour = nearest.positions >= 0
        sums = np.where(is_a_neighbour, 1 - nearest.cosines, 0).sum(axis=1)
        means.append(sums / np.maximum(is_a_neighbour.sum(axis=1), 1))
    return np.concatenate([np.zeros(0), *means]).astype(np.float32)[image]


def far_out(distances: np.ndarray) -> float:
    """Above what a distance is far out: three interquartile ranges over the upper quartile (Tukey 1977)."""
    if not len(distances):
        return np.inf
    lower, upper = np.quantile(distances, [0.25, 0.75])
    return float(upper + _FAR_OUT * (upper - lower))


def _of(judged: Judged, witness: np.ndarray | None, size: int) -> np.ndarray:
    """Items whose label one witness contradicts, bool [size]."""
    is_contradicted = np.zeros(size, bool)
    if witness is not None:
        is_contradicted[judged.rows] = contradicted(witness, judged.own) != judged.own
    return is_contradicted


def _scores(judged: Judged, usual_share: np.ndarray, misplaced: np.ndarray) -> np.ndarray:
    """How likely labels are wrong: where the model cannot say, as likely as the article type is elsewhere."""
    scores = np.where(misplaced, usual_share, 0.0)
    scores[judged.rows] = 1 - judged.label_probability
    return scores


def _names(flags: dict[ReviewReason, np.ndarray]) -> Sequence[list[str]]:
    which = np.stack(list(flags.values()), axis=1)
    names = np.array([str(reason) for reason in flags], object)
    return [names[row].tolist() for row in which]
