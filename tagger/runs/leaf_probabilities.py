"""Leaf probabilities of a finished run, from the most probable leaves of each item."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tagger.errors import InputError
from tagger.models.evidence import expand_top_k, stored_top_k
from tagger.runs.directory import RunDirectory
from tagger.runs.identity import joined_images
from tagger.schemas.documents.bundle import ModelCard
from tagger.schemas.tables.prediction import ALTERNATIVES, Decision

_PREDICTED = ["id", "decision", "alternatives", "blurScore", "familiarity"]


@dataclass(frozen=True)
class LeafProbabilities:
    """Leaf probabilities of a run, by image alone."""

    row: dict[str, int]
    """Row of each item, by id."""
    probabilities: np.ndarray
    """float32 [N, L]."""
    blur_scores: np.ndarray
    """Of their images, float32 [N]."""
    familiarity: np.ndarray
    """Of their images, float32 [N]; NaN where it is not known."""

    @classmethod
    def of_run(cls, directory: RunDirectory, card: ModelCard, flag: str = "--run") -> "LeafProbabilities":
        """Read them from a run's predictions; the leaves that are not stored share the remaining probability.

        Args:
            directory: The run.
            card: The card of its bundle.
            flag: What named the run, for messages.

        Raises:
            UsageError: when there is no run.
            InputError: when it has not finished, another bundle made it, or it was not by images alone.
        """
        table = directory.read(_PREDICTED, flag)
        record = directory.record()
        if record is None or record.model_id != card.model_id or record.kind != "tag":
            raise InputError(f"{flag}: {directory.root} was not made by this bundle, {card.model_id}")
        if joined_images(record.inputs):
            raise InputError(
                f"{flag}: {directory.root} was tagged by more than images; name one of images alone (--evidence image)"
            )
        table = table.filter(pc.not_equal(table["decision"], str(Decision.FAILED)))
        leaves = pa.array([f"{leaf.masterCategory}\0{leaf.articleType}" for leaf in card.taxonomy.leaves])
        nested = table["alternatives"].combine_chunks()
        flat, rows = nested.flatten(), pc.list_parent_indices(nested).to_numpy()
        named = pc.binary_join_element_wise(flat.field("masterCategory"), flat.field("articleType"), "\0")
        rank = np.arange(len(rows)) - np.asarray(nested.offsets)[rows]
        best = np.full((len(table), ALTERNATIVES), -1, np.int64)
        best[rows, rank] = pc.index_in(named, value_set=leaves).to_numpy(zero_copy_only=False)
        confidences = np.zeros((len(table), ALTERNATIVES), np.float32)
        confidences[rows, rank] = flat.field("confidence").to_numpy(zero_copy_only=False)
        ids = table["id"].to_pylist()
        blur_scores, familiarity = (_floats(table[name]) for name in ("blurScore", "familiarity"))
        probabilities = expand_top_k(best, confidences, len(leaves))
        return cls({item: n for n, item in enumerate(ids)}, probabilities, blur_scores, familiarity)

    @classmethod
    def of_predictions(
        cls, ids: Sequence[str], probabilities: np.ndarray, blur_scores: np.ndarray, familiarity: np.ndarray
    ) -> "LeafProbabilities":
        """What a run over these items would store: the most probable leaves, and the rest shared among the others.

        Args:
            ids: N items.
            probabilities: Of their leaves, float32 [N, L].
            blur_scores: Of their images, float32 [N].
            familiarity: Of their images, float32 [N]; NaN where it is not known.
        """
        return cls({item: n for n, item in enumerate(ids)}, stored_top_k(probabilities), blur_scores, familiarity)

    def of(self, ids: Sequence[str]) -> np.ndarray:
        """Leaf probabilities of some items, float32 [N, L]."""
        return np.asarray(self.probabilities[[self.row[item] for item in ids]])

    def blur_scores_of(self, ids: Sequence[str]) -> np.ndarray:
        """Blur scores of some items' images, float32 [N]."""
        return np.asarray(self.blur_scores[[self.row[item] for item in ids]])

    def familiarity_of(self, ids: Sequence[str]) -> np.ndarray:
        """Familiarity of some items' images, float32 [N]; NaN where it is not known."""
        return np.asarray(self.familiarity[[self.row[item] for item in ids]])


def _floats(column: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(pc.fill_null(column, np.nan), np.float32)
