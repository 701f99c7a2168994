"""What a model says of images to rows of the prediction contract: names, decision, reasons."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from schemas.bundle import ModelCard
from schemas.prediction import ALTERNATIVE, PREDICTION, Decision, ReviewReason
from schemas.taxonomy import Level
from tagger.confidence.policy import decide
from tagger.errors import ImageError
from tagger.inference.outcomes import OUTCOME, Outcome
from tagger.models.levels import Levels

_REASONS = (ReviewReason.LOW_CONFIDENCE, ReviewReason.BLURRY_IMAGE, ReviewReason.TAXONOMY_CONFLICT)


@dataclass(frozen=True)
class Items:
    """What a manifest says of the items to write, one entry an item in every column."""

    ids: Sequence[str]
    uris: Sequence[str | None]
    known_masters: Sequence[str | None]
    """Labels from the manifest; a prediction that contradicts one goes to review."""


class PredictionRows:
    """Applies the policy and names things.

    Args:
        card: The model's card.
        accept_above: Thresholds of the policy by level.
        run_id: Written into every row.
    """

    def __init__(self, card: ModelCard, accept_above: Mapping[Level, float], run_id: str) -> None:
        levels = Levels(card.taxonomy)
        self._card = card
        self._accept_above = dict(accept_above)
        self._run_id = run_id
        self._masters = pa.array(levels.masters, pa.string())
        self._types = pa.array(levels.types, pa.string())
        self._number_of = {name: i for i, name in enumerate(levels.masters)}
        self._leaf_masters = pa.array([leaf.masterCategory for leaf in card.taxonomy.leaves], pa.string())
        self._leaf_types = pa.array([leaf.articleType for leaf in card.taxonomy.leaves], pa.string())

    def table(self, items: Items, digests: Sequence[bytes | None], outcomes: Sequence[Outcome]) -> pa.Table:
        """Return one row by PREDICTION for every item, in order."""
        size = len(outcomes)
        errors = [o if isinstance(o, ImageError) else None for o in outcomes]
        good = np.array([error is None for error in errors], bool)
        records = np.zeros(size, OUTCOME)
        records[good] = np.frombuffer(b"".join(o for o in outcomes if isinstance(o, bytes)), OUTCOME)
        blurry = good & (records["blur_score"] < self._card.blur_threshold)
        conflict = good & self._conflicts(items.known_masters, records["master"])
        unsure = good & (
            (records["master_confidence"] < self._accept_above[Level.MASTER_CATEGORY])
            | (records["type_confidence"] < self._accept_above[Level.ARTICLE_TYPE])
        )
        decisions = decide(
            self._accept_above, records["master_confidence"], records["type_confidence"], blurry | conflict
        )
        decisions[~good] = str(Decision.FAILED)
        null = ~good
        columns = {
            "id": pa.array(items.ids, pa.string()),
            "imageUri": pa.array(items.uris, pa.string()),
            "imageDigest": pa.array([d.hex() if d else None for d in digests], pa.string()),
            "masterCategory": self._masters.take(pa.array(records["master"], mask=null)),
            "masterCategoryConfidence": pa.array(records["master_confidence"], mask=null),
            "articleType": self._types.take(pa.array(records["type"], mask=null)),
            "articleTypeConfidence": pa.array(records["type_confidence"], mask=null),
            "alternatives": self._alternatives(records, null),
            "decision": pa.array(decisions, pa.string()),
            "reviewReasons": _reasons(np.stack([unsure, blurry, conflict], axis=1)),
            "blurScore": pa.array(records["blur_score"], mask=null),
            "errorCode": pa.array([e and str(e.code) for e in errors], pa.string()),
            "errorMessage": pa.array([e and e.message for e in errors], pa.string()),
            "modelId": _repeated(self._card.model_id, size),
            "runId": _repeated(self._run_id, size),
            "taggedAt": pa.array([datetime.now(UTC)] * size, pa.timestamp("us", tz="UTC")),
        }
        return pa.table(columns, schema=PREDICTION)

    def _conflicts(self, known: Sequence[str | None], predicted: np.ndarray) -> np.ndarray:
        """Items whose known master category is another one; one that the model does not know conflicts, too."""
        merged = [self._card.taxonomy.merged(name) for name in known]
        numbers = np.array([-1 if name is None else self._number_of.get(name, -2) for name in merged], np.int64)
        conflicts: np.ndarray = (numbers != -1) & (numbers != predicted)
        return conflicts

    def _alternatives(self, records: np.ndarray, null: np.ndarray) -> pa.ListArray:
        leaves = records["leaves"][~null]
        real = leaves >= 0
        counts = np.zeros(len(records), np.int64)
        counts[~null] = real.sum(axis=1)
        flat = pa.array(leaves[real])
        values = pa.StructArray.from_arrays(
            [
                self._leaf_masters.take(flat),
                self._leaf_types.take(flat),
                pa.array(records["leaf_confidences"][~null][real]),
            ],
            fields=list(ALTERNATIVE),
        )
        return pa.ListArray.from_arrays(_offsets(counts), values, mask=pa.array(null))


def _reasons(flags: np.ndarray) -> pa.ListArray:
    """Names of the reasons that are set, bool [N, reasons]."""
    _, which = np.nonzero(flags)
    names = pa.array([str(reason) for reason in _REASONS], pa.string())
    return pa.ListArray.from_arrays(_offsets(flags.sum(axis=1)), names.take(pa.array(which)))


def _offsets(counts: np.ndarray) -> pa.Array:
    return pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())


def _repeated(text: str, size: int) -> pa.Array:
    return pa.repeat(pa.scalar(text, pa.string()), size)
