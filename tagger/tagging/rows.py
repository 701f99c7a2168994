"""From outcomes of the model to rows of the prediction contract: names, decision, reasons."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from tagger.confidence.thresholds import QaSample, Thresholds, decide
from tagger.errors import ImageError
from tagger.manifest.labels import KnownLabels
from tagger.models.levels import Levels
from tagger.models.titles import TitleModel, expand_top_k
from tagger.schemas.documents.bundle import ModelCard
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.embedding import EMBEDDING
from tagger.schemas.tables.prediction import ALTERNATIVE, PREDICTION, Decision, Evidence, ReviewReason
from tagger.tagging.collector import Outcome, fill, outcome_type

REASONS = (
    ReviewReason.LOW_CONFIDENCE, ReviewReason.BLURRY_IMAGE, ReviewReason.TAXONOMY_CONFLICT, ReviewReason.QA_SAMPLE,
    ReviewReason.TITLE_DISAGREES, ReviewReason.NO_IMAGE,
)  # fmt: skip
_SURE_TITLE = 0.9
_EVIDENCE = pa.array(list(Evidence), pa.string())
_BY_IMAGE, _FUSED, _BY_TITLE = (np.int8(list(Evidence).index(e)) for e in (
    Evidence.IMAGE, Evidence.IMAGE_AND_TITLE, Evidence.TITLE
))  # fmt: skip
_ACCEPTED = (str(Decision.ACCEPT), str(Decision.ACCEPT_MASTER_ONLY))
_NO_SAMPLE = QaSample()
_SAID = [name for name in outcome_type().names or () if name not in ("layout", "embedding")]


@dataclass(frozen=True)
class Items:
    """Manifest columns of the items to write; each field has one entry per item."""

    ids: Sequence[str]
    uris: Sequence[str | None]
    known_masters: Sequence[str | None]
    """Labels from the manifest; a prediction that contradicts one goes to review."""
    titles: Sequence[str | None] = ()
    """Only if titles are used."""
    fused: np.ndarray | None = None
    """Whether the outcome is already fused from image and title, bool [N]."""


@dataclass(frozen=True)
class Decided:
    """Decisions of the policy; each field has one entry per item."""

    records: np.ndarray
    """By `outcome_type`; fused from image and title if the run fuses them."""
    decisions: np.ndarray
    """Names, object [N]."""
    reasons: np.ndarray
    """Which of REASONS apply, bool [N, reasons]."""
    evidence: np.ndarray
    """What each is based on, as index into Evidence, int8 [N]."""


class PredictionRows:
    """Turns outcomes into named rows, and applies the policy.

    Args:
        card: The model's card.
        thresholds: Confidences from which predictions by image alone are accepted.
        run_id: Written into every row.
        qa_sample: Which accepted items also go to review.
        embeddings: Whether the outcomes hold image vectors.
        titles: The title model; a prediction that a confident title contradicts goes to review.
        fuse: Predict by image and title together instead, if the title has a known word; without a usable image, by
            the title alone.
        others: Confidences from which predictions of other evidence are accepted; by default `thresholds`.
    """

    def __init__(
        self,
        card: ModelCard,
        thresholds: Thresholds,
        run_id: str,
        qa_sample: QaSample = _NO_SAMPLE,
        embeddings: bool = False,
        titles: TitleModel | None = None,
        fuse: bool = False,
        others: Mapping[Evidence, Thresholds] | None = None,
    ) -> None:
        levels = Levels(card.taxonomy)
        self._card = card
        self._known = KnownLabels(card.taxonomy)
        self._type = outcome_type(card.architecture.embedding_dim if embeddings else 0)
        names = {Level.MASTER_CATEGORY: levels.masters, Level.ARTICLE_TYPE: levels.types}
        of_each = [{Evidence.IMAGE: thresholds, **(others or {})}.get(evidence, thresholds) for evidence in Evidence]
        self._needed = {
            level: np.stack([accepted.needed(level, classes) for accepted in of_each])
            for level, classes in names.items()
        }
        self._run_id = run_id
        self._qa_sample = qa_sample
        self._titles = titles
        self._fuse = fuse
        self._levels = levels
        self._masters = pa.array(levels.masters, pa.string())
        self._types = pa.array(levels.types, pa.string())
        self._number_of = {name: i for i, name in enumerate(levels.masters)}
        self._leaf_masters = pa.array([leaf.masterCategory for leaf in card.taxonomy.leaves], pa.string())
        self._leaf_types = pa.array([leaf.articleType for leaf in card.taxonomy.leaves], pa.string())

    def table(
        self,
        items: Items,
        digests: Sequence[bytes | None],
        outcomes: Sequence[Outcome],
        etags: Sequence[str | None] | None = None,
    ) -> pa.Table:
        """Return one row by PREDICTION for every item, in order.

        Args:
            items: N items.
            digests: Of their images.
            outcomes: One per item.
            etags: ETags of the images; None for images without one.
        """
        size = len(outcomes)
        errors = [o if isinstance(o, ImageError) else None for o in outcomes]
        good = np.array([error is None for error in errors], bool)
        records = np.zeros(size, self._type)
        records[good] = self._records(outcomes)
        decided = self.decide(items, records, good)
        records, null = decided.records, decided.decisions == str(Decision.FAILED)
        columns = {
            "id": pa.array(items.ids, pa.string()),
            "imageUri": pa.array(items.uris, pa.string()),
            "imageDigest": pa.array([d.hex() if d else None for d in digests], pa.string()),
            "imageEtag": pa.array(etags or [None] * size, pa.string()),
            "masterCategory": self._masters.take(pa.array(records["master"], mask=null)),
            "masterCategoryConfidence": pa.array(records["master_confidence"], mask=null),
            "articleType": self._types.take(pa.array(records["type"], mask=null)),
            "articleTypeConfidence": pa.array(records["type_confidence"], mask=null),
            "alternatives": self._alternatives(records, null),
            "decision": pa.array(decided.decisions, pa.string()),
            "reviewReasons": _reasons(decided.reasons),
            "blurScore": pa.array(records["blur_score"], mask=~good),
            "titleDigest": pa.array(
                [title_digest(t) for t in items.titles] if self._titles else [None] * size, pa.string()
            ),
            "evidence": _EVIDENCE.take(pa.array(decided.evidence, mask=null)),
            "errorCode": pa.array([e and str(e.code) for e in errors], pa.string()),
            "errorMessage": pa.array([e and e.message for e in errors], pa.string()),
            "modelId": _repeated(self._card.model_id, size),
            "runId": _repeated(self._run_id, size),
            "taggedAt": pa.array([datetime.now(UTC)] * size, pa.timestamp("us", tz="UTC")),
        }
        return pa.table(columns, schema=PREDICTION)

    def decide(self, items: Items, records: np.ndarray, good: np.ndarray) -> Decided:
        """Apply the policy.

        Args:
            items: N items.
            records: Outcomes by `outcome_type` [N].
            good: Items that have a record, bool [N]; the others fail, unless their title is asked and says something.
        """
        size = len(records)
        evidence, tagged = np.full(size, _BY_IMAGE), good
        if items.fused is not None:
            evidence[good & items.fused] = _FUSED
        if self._titles and self._fuse:
            records, speaks = self._with_titles(records, good, evidence, items.titles, self._titles)
            evidence[speaks] = np.where(good[speaks], _FUSED, _BY_TITLE)
            tagged = good | speaks
        # a title makes up for a blurry image; how precise both are then is part of their policy
        blurry = good & (evidence == _BY_IMAGE) & (records["blur_score"] < self._card.blur_threshold)
        conflict = tagged & self._conflicts(items.known_masters, records["master"])
        columns_of = {Level.MASTER_CATEGORY: "master", Level.ARTICLE_TYPE: "type"}
        needed = {level: self._needed[level][evidence, records[name]] for level, name in columns_of.items()}
        confidence = {level: records[f"{name}_confidence"] for level, name in columns_of.items()}
        unsure = tagged & np.any([confidence[level] < needed[level] for level in Level], axis=0)
        contradicted = good & self._contradicted(items.titles, records["type"])
        decisions = decide(needed, confidence, blurry | conflict | contradicted)
        decisions[~tagged] = str(Decision.FAILED)
        sampled = np.zeros(size, bool)
        if self._qa_sample.share:
            sampled = np.isin(decisions, _ACCEPTED) & self._qa_sample.drawn(items.ids)
            decisions[sampled] = str(Decision.REVIEW)
        imageless = (evidence == _BY_TITLE) & (decisions != str(Decision.ACCEPT))
        reasons = np.stack([unsure, blurry, conflict, sampled, contradicted, imageless], axis=1)
        return Decided(records, decisions, reasons, evidence)

    def widened(self, record: bytes) -> bytes:
        """A record without an image vector, converted to this run's dtype, which may have one."""
        wide = np.zeros(1, self._type)
        bare = np.frombuffer(record, outcome_type())
        for name in _SAID:
            wide[name] = bare[name]
        return wide.tobytes()

    def embeddings(
        self,
        items: Items,
        digests: Sequence[bytes | None],
        outcomes: Sequence[Outcome],
        without: np.ndarray | None = None,
    ) -> pa.Table:
        """Return one row by EMBEDDING for every item that has an image vector, in order.

        Args:
            items: N items.
            digests: Of their images.
            outcomes: One per item.
            without: Items whose outcome has no vector, bool [N].
        """
        bare = np.zeros(len(outcomes), bool) if without is None else without
        good = [row for row, o in enumerate(outcomes) if isinstance(o, bytes) and not bare[row]]
        records = self._records([outcomes[row] for row in good])
        columns = {
            "id": pa.array([items.ids[row] for row in good], pa.string()),
            "imageDigest": pa.array([(digests[row] or b"").hex() for row in good], pa.string()),
            "modelId": _repeated(self._card.model_id, len(good)),
            "layout": _lists(records["layout"]),
            "vector": _lists(records["embedding"]),
        }
        return pa.table(columns, schema=EMBEDDING)

    def _records(self, outcomes: Sequence[Outcome]) -> np.ndarray:
        return np.frombuffer(b"".join(o for o in outcomes if isinstance(o, bytes)), self._type)

    def _conflicts(self, known: Sequence[str | None], predicted: np.ndarray) -> np.ndarray:
        """Whether the known master category differs; one that the model does not know differs, too; bool [N]."""
        merged = [self._known.master(name) for name in known]
        codes = np.array([-1 if name is None else self._number_of.get(name, -2) for name in merged], np.int64)
        conflicts: np.ndarray = (codes != -1) & (codes != predicted)
        return conflicts

    def _contradicted(self, titles: Sequence[str | None], predicted: np.ndarray) -> np.ndarray:
        """Whether the title is confident of another article type than the predicted one, bool [N]."""
        if self._titles is None or self._fuse:
            return np.zeros(len(predicted), bool)
        texts = [title or "" for title in titles]
        _, _, article, sure = self._levels.choose(self._titles.probabilities(texts))
        return np.asarray(self._titles.has_known_word(texts) & (sure >= _SURE_TITLE) & (article != predicted))

    def _with_titles(
        self,
        records: np.ndarray,
        good: np.ndarray,
        evidence: np.ndarray,
        titles: Sequence[str | None],
        model: TitleModel,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Fuse records of images with their titles, and fill those without an image from the title alone.

        Returns:
            The records, and which of them titles have changed, bool [N]; those whose title has no known word, or is
            fused already, stay.
        """
        texts = np.array([title or "" for title in titles], object)
        speaks = model.has_known_word(texts.tolist()) & (evidence != _FUSED)
        changed = records.copy()
        both, alone = speaks & good, speaks & ~good
        if both.any():
            some = records[both]
            image = expand_top_k(some["leaves"], some["leaf_confidences"], len(self._leaf_types))
            fill(some, self._levels, model.combined_probabilities(image, texts[both].tolist()))
            changed[both] = some
        if alone.any():
            some = records[alone]
            fill(some, self._levels, model.probabilities(texts[alone].tolist()))
            changed[alone] = some
        return changed, speaks

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


def title_digest(title: str | None) -> str:
    """Digest of a title, which detects changes: 16 hexadecimal digits."""
    return hashlib.sha256((title or "").encode()).hexdigest()[:16]


def matrix_of(column: pa.ChunkedArray) -> np.ndarray:
    """The vectors or layouts of rows by EMBEDDING, float16 [N, D]."""
    flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat.reshape(len(column), -1) if len(column) else flat.reshape(0, 0))


def _lists(matrix: np.ndarray) -> pa.ListArray:
    """The rows of a matrix float16 [N, D] as lists, by EMBEDDING."""
    offsets = _offsets(np.full(len(matrix), matrix.shape[1]))
    return pa.ListArray.from_arrays(offsets, pa.array(matrix.reshape(-1)), type=EMBEDDING.field("vector").type)


def _reasons(flags: np.ndarray) -> pa.ListArray:
    """Names of the reasons that are set, bool [N, reasons]."""
    _, codes = np.nonzero(flags)
    names = pa.array([str(reason) for reason in REASONS], pa.string())
    return pa.ListArray.from_arrays(_offsets(flags.sum(axis=1)), names.take(pa.array(codes)))


def _offsets(counts: np.ndarray) -> pa.Array:
    return pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())


def _repeated(text: str, size: int) -> pa.Array:
    return pa.repeat(pa.scalar(text, pa.string()), size)
