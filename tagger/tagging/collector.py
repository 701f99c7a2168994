"""From image bytes to outcomes of the model; images are deduplicated, so each is decoded and predicted once."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from enum import Enum

import numpy as np

from tagger.engines.base import Engine
from tagger.errors import ImageError
from tagger.imaging.decode import Decoded, decode
from tagger.imaging.layout import LAYOUT_SIZE, layouts
from tagger.models.attributes import AttributesModel, features_of
from tagger.models.familiarity import Familiarity
from tagger.models.levels import Levels, softmax
from tagger.models.vectors import of_length_one
from tagger.schemas.documents.bundle import ModelCard
from tagger.schemas.tables.prediction import ALTERNATIVES, ErrorCode

Outcome = bytes | ImageError
"""One image's record of `outcome_type`, or its error. Small, so that workers can share it."""


Submit = Callable[[Callable[[], list[Outcome]]], "Future[list[Outcome]]"]
_NOTHING = ImageError(ErrorCode.NO_IMAGE, "there are no bytes")
_NOT_FINITE = ImageError(ErrorCode.NOT_FINITE, "the model's output for this image is not finite")
_DECODED_AT_ONCE = 64
_BATCHES_AHEAD = 3  # of decoded images in memory, waiting for a remote engine


def outcome_type(embedding_dim: int = 0, attribute_values: int = 0) -> np.dtype[np.void]:
    """Dtype of what is known of one image after one look, from model and file; `known` restores it from stored rows.

    `image_type` is what the image says by itself; where more than the image is asked, the others are what all say.

    Classes and leaves are indices into the taxonomy, -1 for unused leaves.

    Args:
        embedding_dim: Length of the image vector to keep; 0 keeps none, and no layout.
        attribute_values: Number of values of all attributes whose probabilities by the image are kept.
    """
    return np.dtype(
        [
            ("master", np.int32),
            ("master_confidence", np.float32),
            ("type", np.int32),
            ("type_confidence", np.float32),
            ("leaves", np.int32, (ALTERNATIVES,)),
            ("leaf_confidences", np.float32, (ALTERNATIVES,)),
            ("image_type", np.int32),
            ("image_type_confidence", np.float32),
            ("blur_score", np.float32),
            ("brightness", np.float32),
            ("size", np.int32, (2,)),
            ("familiarity", np.float32),
            ("layout", np.float16, (LAYOUT_SIZE if embedding_dim else 0,)),
            ("embedding", np.float16, (embedding_dim,)),
            ("attributes", np.float16, (attribute_values,)),
        ]
    )


class Claim(Enum):
    """Which worker predicts an image."""

    MINE = "mine"
    ANOTHERS = "another's"


class Predictor:
    """Decodes images, runs the engine, and reduces its output to outcomes.

    `engine_s` sums the seconds of the engine; it is meaningful only if one thread calls it.

    Args:
        card: The model's card.
        engine: Runs the model.
        max_pixels: Most pixels of an image.
        embeddings: Keep the image vectors and layouts, too.
        attributes: Predict these, too.
        familiarity: Says how familiar an image is, if the bundle knows that.
    """

    def __init__(
        self,
        card: ModelCard,
        engine: Engine,
        max_pixels: int,
        embeddings: bool = False,
        attributes: AttributesModel | None = None,
        familiarity: Familiarity | None = None,
    ) -> None:
        self._card = card
        self._type = outcome_type(
            card.architecture.embedding_dim if embeddings else 0, attributes.size if attributes else 0
        )
        self._embeddings = embeddings
        self._attributes = attributes
        self._familiarity = familiarity
        self._engine = engine
        self._levels = Levels(card.taxonomy, card.calibration.curves)
        self._max_pixels = max_pixels
        self.engine_s = 0.0

    def decode(self, data: bytes) -> Decoded:
        """Decode bytes to the model's input. Raises ImageError."""
        return decode(data, self._card.preprocessing, self._max_pixels)

    def outcomes(self, images: Sequence[Decoded]) -> list[Outcome]:
        """Predict decoded images; return their outcomes in order, with an error where the output is not finite."""
        pixels = np.stack([image.pixels for image in images])
        started = time.perf_counter()
        needs_vectors = bool(self._embeddings or self._attributes or self._familiarity)
        logits, embeddings = self._engine.run(pixels, needs_vectors)
        self.engine_s += time.perf_counter() - started
        finite = np.isfinite(logits).all(axis=1)
        if not finite.all():
            logits = np.where(finite[:, None], logits, np.float32(0))
        probabilities = softmax(logits, self._card.calibration.temperature)
        records = np.zeros(len(images), self._type)
        fill(records, self._levels, probabilities)
        records["image_type"], records["image_type_confidence"] = records["type"], records["type_confidence"]
        records["blur_score"] = [image.blur_score for image in images]
        records["brightness"] = [image.brightness for image in images]
        records["size"] = [image.size for image in images]
        if self._familiarity:
            records["familiarity"] = self._familiarity.of(embeddings, records["blur_score"])
        else:
            records["familiarity"] = np.nan
        if self._embeddings or self._attributes:
            vectors, descriptors = of_length_one(embeddings), layouts(pixels[..., :3])
            if self._embeddings:
                records["embedding"], records["layout"] = vectors, descriptors
            if self._attributes:
                records["attributes"] = self._attributes.by_image(features_of(vectors, descriptors))
        return [record.tobytes() if fine else _NOT_FINITE for record, fine in zip(records, finite, strict=True)]


def fill(records: np.ndarray, levels: Levels, probabilities: np.ndarray) -> None:
    """Fill records [N] from leaf probabilities float32 [N, L]."""
    chosen = levels.choose(probabilities)
    records["master"], records["master_confidence"], records["type"], records["type_confidence"] = chosen
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :ALTERNATIVES]
    records["leaves"] = -1
    records["leaves"][:, : best.shape[1]] = best
    records["leaf_confidences"][:, : best.shape[1]] = np.take_along_axis(probabilities, best, axis=1)


class Collector:
    """Collects the outcomes of a list of images; deduplicates them, and predicts full batches.

    Args:
        predictor: Decodes and predicts the images.
        size: Number of images.
        batch_size: Distinct images that are decoded before they are predicted; see `decoded_at_once`.
        submit: Starts a prediction, in this thread, or in another one for a remote engine.
        share: Called with new outcomes.
    """

    def __init__(
        self,
        predictor: Predictor,
        size: int,
        batch_size: int,
        submit: Submit,
        share: Callable[[Mapping[bytes, Outcome]], None] = lambda outcomes: None,
    ) -> None:
        self.digests: list[bytes | None] = [None] * size
        self._predictor = predictor
        self._batch_size = batch_size
        self._submit = submit
        self._share = share
        self._rows: dict[bytes, list[int]] = {}
        self._by_digest: dict[bytes, Outcome] = {}
        self._without: dict[int, ImageError] = {}
        self._batch: dict[bytes, Decoded] = {}
        self._running: list[tuple[list[bytes], Future[list[Outcome]]]] = []

    def put(
        self, row: int, data: bytes | ImageError, digest: bytes | None, claim: Outcome | Claim = Claim.MINE
    ) -> None:
        """Take one image.

        Args:
            row: Its index in the list.
            data: Its bytes, or the error.
            digest: SHA-256 of the bytes.
            claim: Its outcome from another worker, or which worker predicts it.
        """
        if isinstance(data, ImageError) or digest is None:
            self._without[row] = data if isinstance(data, ImageError) else _NOTHING
            return
        self.digests[row] = digest
        rows = self._rows.setdefault(digest, [])
        rows.append(row)
        if len(rows) == 1:
            self.settle(digest, data, claim)

    def settle(self, digest: bytes, data: bytes | ImageError, claim: Outcome | Claim) -> None:
        """Store an image's outcome, predict the image, or leave it to another worker."""
        if not isinstance(claim, Claim):
            self._by_digest[digest] = claim
        elif isinstance(data, ImageError):
            self._by_digest[digest] = data
        elif claim is Claim.MINE:
            self._predict(digest, data)

    def skip(self, row: int, digest: bytes) -> None:
        """Leave a row without an outcome."""
        self.digests[row] = digest

    def missing(self) -> dict[bytes, int]:
        """Finish all predictions; return the images without an outcome, each with one of its rows."""
        self._flush()
        for digests, future in self._running:
            self._store(digests, future)
        self._running = []
        return {digest: rows[0] for digest, rows in self._rows.items() if digest not in self._by_digest}

    def outcomes(self) -> list[Outcome]:
        """One outcome per row, in order; an empty one for a skipped row."""
        missing = self.missing()
        if missing:
            raise RuntimeError(f"{len(missing)} images have no outcome")
        outcomes: list[Outcome] = [b""] * len(self.digests)
        for row, error in self._without.items():
            outcomes[row] = error
        for digest, rows in self._rows.items():
            for row in rows:
                outcomes[row] = self._by_digest[digest]
        return outcomes

    def _predict(self, digest: bytes, data: bytes) -> None:
        try:
            self._batch[digest] = self._predictor.decode(data)
        except ImageError as error:
            self._by_digest[digest] = error
            self._share({digest: error})
            return
        if len(self._batch) == self._batch_size:
            self._flush()

    def _flush(self) -> None:
        """Predict the pending batch, and store the outcomes that are ready."""
        if self._batch:
            images = list(self._batch.values())
            self._running.append((list(self._batch), self._submit(lambda: self._predictor.outcomes(images))))
            self._batch = {}
        while self._running and (self._running[0][1].done() or len(self._running) > _BATCHES_AHEAD):
            self._store(*self._running.pop(0))

    def _store(self, digests: list[bytes], future: "Future[list[Outcome]]") -> None:
        outcomes = dict(zip(digests, future.result(), strict=True))
        self._by_digest.update(outcomes)
        self._share(outcomes)


def decoded_at_once(batch_size: int) -> int:
    """Number of images to decode before they are predicted: whole batches, but not too few.

    Decoding and predicting evict each other's CPU caches, so they alternate less often.

    Args:
        batch_size: Images per call of the engine.
    """
    return batch_size * max(1, _DECODED_AT_ONCE // batch_size)


def at_once(work: Callable[[], list[Outcome]]) -> "Future[list[Outcome]]":
    """Run a call in this thread, for an engine in this process."""
    future: Future[list[Outcome]] = Future()
    future.set_result(work())
    return future
