"""Turns a shard into its part: fetch, skip known items, predict each distinct image once, write."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
import pyarrow as pa
import simplejpeg

from tagger.confidence.thresholds import QaSample, Thresholds
from tagger.engines.base import Engine
from tagger.errors import ImageError, TaggerError
from tagger.flow.prefetch import prefetched
from tagger.images.digests import digest_of
from tagger.images.revisions import Revision, Unchanged
from tagger.images.stores import ImageStore, fetch_all, fetch_revisions
from tagger.imaging.threads import decode_in_one_thread
from tagger.io.location import first_line
from tagger.models.attributes import AttributesModel
from tagger.models.evidence import EvidenceModel
from tagger.models.familiarity import Familiarity
from tagger.runs.directory import ETAG, RunDirectory
from tagger.runs.parts import Spent
from tagger.runs.staging import KNOWN, known_etags, read_shard, shard_of
from tagger.schemas.documents.bundle import ModelCard
from tagger.schemas.tables.prediction import ErrorCode, Evidence
from tagger.tagging.attributes import AttributeRows
from tagger.tagging.collector import (
    Claim,
    Collector,
    Outcome,
    Predictor,
    Submit,
    at_once,
    decoded_at_once,
)
from tagger.tagging.crashes import CRASHED, Crashes
from tagger.tagging.item_images import ImageJoiner, Joined
from tagger.tagging.known import recalled, shown_in
from tagger.tagging.rows import Items, PredictionRows
from tagger.tagging.shard_images import ShardImages

_FIRST_PIECE_ROWS, _PIECE_ROWS, _PIECE_BYTES = 32, 1024, 16 * 2**20
_GPU_BATCHES_IN_FLIGHT = 3
_NONE = Crashes()
_BLANK = simplejpeg.encode_jpeg(np.full((16, 16, 3), 255, np.uint8))
_CHANGED = ImageError(ErrorCode.STORE_ERROR, "the image was changed while the run went on")


@dataclass(frozen=True)
class TagPlan:
    """What every tagging worker needs in addition to the model."""

    run: RunDirectory
    run_id: str
    store: ImageStore
    card: ModelCard
    thresholds: Thresholds
    max_pixels: int
    batch_size: int
    qa_sample: QaSample = field(default_factory=QaSample)
    embeddings: bool = False
    """Whether to write the image vectors."""
    evidence: EvidenceModel | None = None
    """What titles and columns say, if the run uses them."""
    join: bool = False
    """Whether to join images by them, rather than check one by the other."""
    others: Mapping[Evidence, Thresholds] = field(default_factory=dict)
    """Thresholds of predictions that are not by image alone; by default `thresholds`."""
    attributes: AttributesModel | None = None
    """What the bundle knows of attributes, if the run predicts them."""
    familiarity: Familiarity | None = None
    """Says how familiar an image is, if the bundle knows that."""


class CoordinatorClient(Protocol):
    """A worker's connection to the `Coordinator` of the run."""

    def add_outcomes(self, outcomes: Mapping[bytes, Outcome]) -> None:
        """Share outcomes with the other workers; they are sent with the next `claim` or `flush`."""
        ...

    def add_rows(self, rows: int) -> None:
        """Count rows as done; the count is sent with the next `claim` or `flush`."""
        ...

    def claim(self, digests: Sequence[bytes], take_over: bool = False) -> list[Outcome | Claim]:
        """Return the outcome of each digest, or which worker is to predict it."""
        ...

    def flush(self) -> None:
        """Send what has not been sent."""
        ...


@dataclass(frozen=True)
class _Piece:
    """Consecutive images of a shard, and the outcomes that other workers share."""

    first: int
    images: list[Revision]
    digests: list[bytes | None]
    claims: dict[bytes, Outcome | Claim]
    """By digest; only of those that are not among the shard's earlier images."""


@dataclass(frozen=True)
class _Outcomes:
    """The items of a part; each field has one entry per item."""

    items: Items
    digests: list[bytes | None]
    etags: list[str | None]
    outcomes: list[Outcome]
    recalled: np.ndarray
    """Whether the outcome comes from an earlier run, bool [N]."""


class ShardTagger:
    """Turns shards into parts; the next images are prefetched while the model predicts.

    Args:
        plan: What every worker needs.
        connect: Connects to the run's coordinator; called in the worker.
        start_engine: Starts the engine; called when the first shard comes.
        engine_is_remote: Whether the engine runs in another process; then several batches are in flight at once.
    """

    def __init__(
        self,
        plan: TagPlan,
        connect: Callable[[], CoordinatorClient],
        start_engine: Callable[[], Engine],
        engine_is_remote: bool,
    ) -> None:
        decode_in_one_thread()
        self._plan = plan
        self._coordinator = connect()
        self._start = start_engine
        self._engine_is_remote = engine_is_remote
        of_attributes = AttributeRows(plan.attributes, plan.card.attribute_policies) if plan.attributes else None
        self._rows = PredictionRows(
            plan.card, plan.thresholds, plan.run_id, plan.qa_sample, plan.embeddings, plan.evidence, plan.join,
            plan.others, of_attributes,
        )  # fmt: skip
        self._joiner = ImageJoiner(plan.card, self._rows.outcome_type, plan.attributes)
        threads = _GPU_BATCHES_IN_FLIGHT if engine_is_remote else 0
        self._submit: Submit = ThreadPoolExecutor(threads, "gpu").submit if threads else at_once

    @cached_property
    def _predictor(self) -> Predictor:
        plan = self._plan
        return Predictor(plan.card, self._start(), plan.max_pixels, plan.embeddings, plan.attributes, plan.familiarity)

    def ready(self) -> None:
        """Answer when this worker has started."""

    def tag(self, number: int, crashes: Crashes = _NONE) -> None:
        """Write the part of one shard. Raises TaggerError.

        Args:
            number: The shard's.
            crashes: Images that must not be decoded.
        """
        try:
            self._tag(number, crashes)
        except OSError as error:
            raise TaggerError(f"{self._plan.run.root}: {first_line(error)}") from error

    def try_images(self, number: int, first: int, end: int, crashes: Crashes = _NONE) -> None:
        """Predict some images of a shard, or a blank one if there are none, and write nothing.

        The coordinator caches the outcomes, so that the shard need not predict these images again.
        """
        size = decoded_at_once(self._plan.batch_size)
        collector = Collector(self._predictor, end - first, size, self._submit, self._coordinator.add_outcomes)
        if first == end:
            self._predictor.outcomes([self._predictor.decode(_BLANK)])
        images = ShardImages.of(read_shard(shard_of(self._plan.run.work, number)))
        refs = _without(images.refs, crashes.images_of(number))[first:end]
        known, etags = images.known[first:end], images.etags[first:end]
        for n, image in enumerate(fetch_revisions(self._plan.store, refs, etags)):
            digest = _digest(image, known[n])
            if digest is not None and digest != known[n]:
                (claim,) = [CRASHED] if digest in crashes.digests else self._coordinator.claim([digest], take_over=True)
                collector.put(n, image.content(), digest, claim)
        collector.missing()
        self._coordinator.flush()

    def digest(self, number: int, image: int) -> bytes | None:
        """SHA-256 of one image of a shard, which is read but not decoded; None if it cannot be read."""
        ref = ShardImages.of(read_shard(shard_of(self._plan.run.work, number))).refs[image]
        return digest_of(next(fetch_all(self._plan.store, [ref])))

    def _tag(self, number: int, crashes: Crashes) -> None:
        predictor = self._predictor
        started, engine_before = time.perf_counter(), predictor.engine_s
        shard = read_shard(shard_of(self._plan.run.work, number))
        images = ShardImages.of(shard)
        etags: list[str | None] = []
        size = decoded_at_once(self._plan.batch_size)
        collector = Collector(predictor, len(images.refs), size, self._submit, self._coordinator.add_outcomes)
        skipped = crashes.images_of(number)
        refs = _without(images.refs, skipped)
        for piece in prefetched(self._pieces(refs, images.known, images.etags, crashes.digests)):
            etags += [image.etag for image in piece.images]
            for n, (image, digest) in enumerate(zip(piece.images, piece.digests, strict=True), piece.first):
                if n in skipped:
                    collector.put(n, CRASHED, None)
                elif digest is not None and digest == images.known[n]:
                    collector.skip(n, digest)
                else:
                    collector.put(n, image.content(), digest, piece.claims.get(digest or b"", Claim.MINE))
            self._coordinator.add_rows(max(0, min(len(shard) - piece.first, len(piece.images))))
        same = images.unchanged(collector.digests)
        self._predict_beside_changed(collector, images, refs, same)
        self._predict_rest(collector, images.refs)
        self._coordinator.flush()
        joined = self._joiner.join(images.of_items, collector.outcomes(), collector.digests, len(shard))
        looked_at = self._with_recalled(shard, joined, images.refs, collector.digests, etags, same)
        predictions = self._rows.table(looked_at.items, looked_at.digests, looked_at.outcomes, looked_at.etags)
        new_etags = _new_etags(shard, etags, same)
        if len(new_etags):
            self._plan.run.write_etags(number, new_etags)
        if self._plan.embeddings:
            vectors = self._rows.embeddings(looked_at.items, looked_at.digests, looked_at.outcomes, looked_at.recalled)
            self._plan.run.write_embeddings(number, vectors)
        engine_s = None if self._engine_is_remote else predictor.engine_s - engine_before
        spent = Spent(time.perf_counter() - started, engine_s)
        left = {KNOWN: len(shard) - len(predictions)}
        self._plan.run.write_part(number, predictions, left, spent, redecided=int(looked_at.recalled.sum()))

    def _with_recalled(
        self,
        shard: pa.Table,
        joined: Joined,
        refs: Sequence[str | None],
        digests: Sequence[bytes | None],
        etags: Sequence[str | None],
        unchanged: np.ndarray,
    ) -> _Outcomes:
        """The items of a shard to write: those just predicted, and known ones that are decided again.

        Args:
            shard: Its N rows.
            joined: Outcomes of the items just predicted.
            refs: Of M images.
            digests: Of the images.
            etags: ETags of the images.
            unchanged: Whether an item's images are those of an earlier run, bool [N].
        """
        stored = recalled(shard)
        rows = [row for row in range(len(shard)) if not unchanged[row] or stored[row]]
        recalls = [stored[row] if unchanged[row] else None for row in rows]
        chosen = shard.take(pa.array(rows, pa.int64()))
        evidence = np.array([a.evidence if a else 0 for a in recalls], np.int8)
        ids, masters = (chosen[name].to_pylist() for name in ("id", "masterCategory"))
        shown = shown_in(chosen, self._plan.evidence.names) if self._plan.evidence else {}
        images = [joined.shown[row] for row in rows]
        said = {n: joined.said[row] for n, row in enumerate(rows) if row in joined.said}
        attributes = {n: a.attributes for n, a in enumerate(recalls) if a}
        items = Items(ids, [refs[n] for n in images], masters, shown, evidence, said, attributes)
        merged = [
            self._rows.widened(a.outcome) if a else joined.outcomes[row] for row, a in zip(rows, recalls, strict=True)
        ]
        is_recalled = np.array([a is not None for a in recalls], bool)
        return _Outcomes(items, [digests[n] for n in images], [etags[n] for n in images], merged, is_recalled)

    def _pieces(
        self,
        refs: Sequence[str | None],
        known: Sequence[bytes | None],
        etags: Sequence[str | None],
        crashed: frozenset[bytes],
    ) -> Iterator[_Piece]:
        requested: set[bytes] = set()
        images: list[Revision] = []
        size = first = 0
        most = _FIRST_PIECE_ROWS  # the engine is idle while the first piece is fetched
        for row, image in enumerate(fetch_revisions(self._plan.store, refs, etags)):
            images.append(image)
            size += len(image.data) if isinstance(image.data, bytes) else 0
            if len(images) < most and size < _PIECE_BYTES and row + 1 < len(refs):
                continue
            digests = [_digest(image, k) for image, k in zip(images, known[first:], strict=False)]
            new = {d for d, k in zip(digests, known[first:], strict=False) if d is not None and d != k} - requested
            requested |= new
            unclaimed = list(new - crashed)
            claims = dict(zip(unclaimed, self._coordinator.claim(unclaimed), strict=True))
            claims |= dict.fromkeys(new & crashed, CRASHED)
            yield _Piece(first, images, digests, claims)
            images, size, first, most = [], 0, row + 1, min(2 * most, _PIECE_ROWS)

    def _predict_beside_changed(
        self, collector: Collector, images: "ShardImages", refs: Sequence[str | None], unchanged: np.ndarray
    ) -> None:
        """Predict the skipped images of items of which another image has changed."""
        several = images.of_items.several.items()
        skipped = [
            n for item, numbers in several if not unchanged[item] for n in numbers
            if collector.digests[n] is not None and collector.digests[n] == images.known[n]
        ]  # fmt: skip
        for n, data in zip(skipped, fetch_all(self._plan.store, [refs[n] for n in skipped]), strict=True):
            collector.put(n, data, digest_of(data))

    def _predict_rest(self, collector: Collector, refs: Sequence[str | None]) -> None:
        """Take the outcomes of other workers; predict the images that they have not finished, rather than wait."""
        missing = collector.missing()
        if not missing:
            return
        claims = dict(zip(missing, self._coordinator.claim(list(missing), take_over=True), strict=True))
        mine = [digest for digest, claim in claims.items() if claim is Claim.MINE]
        images = dict(zip(mine, fetch_all(self._plan.store, [refs[missing[d]] for d in mine]), strict=True))
        for digest, claim in claims.items():
            data = images.get(digest, b"")
            changed = claim is Claim.MINE and isinstance(data, bytes) and digest_of(data) != digest
            collector.settle(digest, _CHANGED if changed else data, claim)


def _digest(image: Revision, known: bytes | None) -> bytes | None:
    """SHA-256 of an image; the known one if its server says that the image is unchanged."""
    return known if isinstance(image.data, Unchanged) else digest_of(image.data)


def _new_etags(shard: pa.Table, etags: Sequence[str | None], unchanged: np.ndarray) -> pa.Table:
    """Items known by their bytes whose ETag is not stored yet, by ETAG.

    Such an item may get no prediction in this run, so the next run reads its ETag from here.

    Args:
        shard: Its rows.
        etags: ETags of the images now.
        unchanged: Whether the image is the one of an earlier run, bool [N].
    """
    before, known = known_etags(shard), shard["knownDigest"].to_pylist()
    rows = [n for n in range(len(shard)) if unchanged[n] and known[n] and etags[n] and etags[n] != before[n]]
    chosen = shard.take(pa.array(rows, pa.int64()))
    columns = [
        chosen["id"],
        chosen["imageRef"],
        chosen["knownDigest"],
        pa.array([etags[row] for row in rows], pa.string()),
    ]
    return pa.table(columns, schema=ETAG)


def _without(refs: Sequence[str | None], skipped: Set[int]) -> list[str | None]:
    """References of images, None for those that must not even be read."""
    return [None if n in skipped else ref for n, ref in enumerate(refs)]
