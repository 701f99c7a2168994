"""Image bytes in, predictions out: what a tagging worker and a notebook have in common."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from schemas.prediction import ALTERNATIVE, ALTERNATIVES, PREDICTION, Decision, ReviewReason
from schemas.taxonomy import Level
from tagger.confidence.policy import decide
from tagger.errors import ImageError
from tagger.imaging.decode import Decoded, decode
from tagger.models.bundle import Bundle
from tagger.models.classifier import Levels, softmax
from tagger.models.engines import Engine


@dataclass(frozen=True)
class Request:
    """Images to tag, one entry an item in every column."""

    ids: Sequence[str]
    uris: Sequence[str | None]
    images: Sequence[bytes | ImageError]
    known_masters: Sequence[str | None]
    """Labels from the manifest; a prediction that contradicts one goes to review."""

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class _Looked:
    """One item's image after decoding."""

    digest: str | None
    decoded: Decoded | None
    error: ImageError | None


class Predictor:
    """Decodes, asks the engine, chooses, decides; holds no state between calls.

    Args:
        bundle: The model's card; its weights are in the engine.
        engine: Runs the model.
        accept_above: Thresholds of the policy by level.
        run_id: Written into every row.
        max_pixels: Larger images fail.
        threads: Decoding threads.
    """

    def __init__(
        self,
        bundle: Bundle,
        engine: Engine,
        accept_above: Mapping[Level, float],
        run_id: str,
        max_pixels: int,
        threads: int = 1,
    ) -> None:
        self._card = bundle.card
        self._engine = engine
        self._levels = Levels(bundle.card.taxonomy)
        self._accept_above = dict(accept_above)
        self._run_id = run_id
        self._max_pixels = max_pixels
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")

    def __call__(self, request: Request) -> pa.Table:
        """Return one row by PREDICTION for every item, in order."""
        looked = list(self._pool.map(self._look, request.images))
        good = [i for i, item in enumerate(looked) if item.decoded is not None]
        columns = _blank(len(request))
        if good:
            pixels = np.stack([item.decoded.pixels for item in looked if item.decoded is not None])
            logits, _ = self._engine.run(pixels)
            self._fill(columns, request, looked, np.array(good), logits)
        for i, item in enumerate(looked):
            if item.error is not None:
                columns["errorCode"][i] = str(item.error.code)
                columns["errorMessage"][i] = item.error.message
        size = len(request)
        return pa.table(
            {
                "id": request.ids,
                "imageUri": request.uris,
                "imageDigest": [item.digest for item in looked],
                **columns,
                "modelId": [self._card.model_id] * size,
                "runId": [self._run_id] * size,
                "taggedAt": [datetime.now(UTC)] * size,
            },
            schema=PREDICTION,
        )

    def _look(self, data: bytes | ImageError) -> _Looked:
        if isinstance(data, ImageError):
            return _Looked(None, None, data)
        digest = hashlib.sha256(data).hexdigest()
        try:
            return _Looked(digest, decode(data, self._card.preprocessing, self._max_pixels), None)
        except ImageError as error:
            return _Looked(digest, None, error)

    def _fill(
        self,
        columns: dict[str, list[object]],
        request: Request,
        looked: Sequence[_Looked],
        good: np.ndarray,
        logits: np.ndarray,
    ) -> None:
        probabilities = softmax(logits, self._card.calibration.temperature)
        master, master_confidence, article, type_confidence = self._levels.choose(probabilities)
        scores = np.array([d.blur_score for i in good if (d := looked[i].decoded)], np.float32)
        masters = [self._levels.masters[m] for m in master]
        known = [self._card.taxonomy.merged(request.known_masters[i]) for i in good]
        blurry = scores < self._card.blur_threshold
        conflict = np.array([k is not None and k != m for k, m in zip(known, masters, strict=True)], bool)
        decisions = decide(self._accept_above, master_confidence, type_confidence, blurry | conflict)
        unsure = (master_confidence < self._accept_above[Level.MASTER_CATEGORY]) | (
            type_confidence < self._accept_above[Level.ARTICLE_TYPE]
        )
        alternatives = self._alternatives(probabilities)
        for n, i in enumerate(good):
            columns["masterCategory"][i] = masters[n]
            columns["masterCategoryConfidence"][i] = master_confidence[n]
            columns["articleType"][i] = self._levels.types[article[n]]
            columns["articleTypeConfidence"][i] = type_confidence[n]
            columns["alternatives"][i] = alternatives[n]
            columns["decision"][i] = decisions[n]
            columns["reviewReasons"][i] = _reasons(unsure[n], blurry[n], conflict[n])
            columns["blurScore"][i] = scores[n]

    def _alternatives(self, probabilities: np.ndarray) -> list[list[dict[str, object]]]:
        leaves = self._card.taxonomy.leaves
        names = [(leaf.masterCategory, leaf.articleType) for leaf in leaves]
        best = np.argsort(-probabilities, axis=1, kind="stable")[:, :ALTERNATIVES]
        keys = [field.name for field in ALTERNATIVE]
        return [
            [dict(zip(keys, (*names[leaf], row[leaf]), strict=True)) for leaf in order]
            for order, row in zip(best.tolist(), probabilities, strict=True)
        ]


def decode_threads() -> int:
    """Threads that keep a GPU fed from one process; on CPUs, processes are the parallelism."""
    return max(1, (os.cpu_count() or 2) - 1)


def _blank(size: int) -> dict[str, list[object]]:
    names = (
        "masterCategory", "masterCategoryConfidence", "articleType", "articleTypeConfidence", "alternatives",
        "blurScore", "errorCode", "errorMessage",
    )  # fmt: skip
    columns: dict[str, list[object]] = {name: [None] * size for name in names}
    columns["decision"] = [str(Decision.FAILED)] * size
    columns["reviewReasons"] = [[] for _ in range(size)]
    return columns


def _reasons(unsure: bool, blurry: bool, conflict: bool) -> list[str]:
    flags = (
        (unsure, ReviewReason.LOW_CONFIDENCE),
        (blurry, ReviewReason.BLURRY_IMAGE),
        (conflict, ReviewReason.TAXONOMY_CONFLICT),
    )
    return [str(reason) for set_, reason in flags if set_]
