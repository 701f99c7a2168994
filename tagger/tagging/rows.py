"""From outcomes of the model to rows of the prediction contract: names, decision, reasons."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from tagger.confidence.thresholds import QaSample, Thresholds, decide
from tagger.errors import ImageError
from tagger.manifest.labels import KnownLabels
from tagger.models.attributes import LeavesSaid
from tagger.models.evidence import EvidenceModel, Said, Shown
from tagger.models.levels import Levels
from tagger.schemas.documents.bundle import ModelCard
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.prediction import ALTERNATIVE, PREDICTION, Decision, Evidence, ReviewReason
from tagger.tagging.attributes import AttributeRows
from tagger.tagging.collector import Outcome, outcome_type
from tagger.tagging.item_images import SaidImage, images_column
from tagger.tagging.vector_rows import vector_table
from tagger.tagging.witnesses import BY_IMAGE, Witnesses

REASONS = (
    ReviewReason.LOW_CONFIDENCE, ReviewReason.BLURRY_IMAGE, ReviewReason.TAXONOMY_CONFLICT, ReviewReason.QA_SAMPLE,
    ReviewReason.TITLE_DISAGREES, ReviewReason.NO_IMAGE, ReviewReason.UNFAMILIAR,
)  # fmt: skip
_SURE_TITLE = 0.9
_EVIDENCE = pa.array(list(Evidence), pa.string())
_HAS_IMAGE = np.array(["image" in evidence.witnesses for evidence in Evidence])
_HAS_TITLE = np.array(["title" in evidence.witnesses for evidence in Evidence])
_ACCEPTED = (str(Decision.ACCEPT), str(Decision.ACCEPT_MASTER_ONLY))
_NO_SAMPLE = QaSample()
_SAID = [name for name in outcome_type().names or () if name not in ("layout", "embedding", "attributes")]


@dataclass(frozen=True)
class Items:
    """Manifest columns of the items to write; each field has one entry per item."""

    ids: Sequence[str]
    uris: Sequence[str | None]
    known_masters: Sequence[str | None]
    """Labels from the manifest; a prediction that contradicts one goes to review."""
    shown: Shown = field(default_factory=dict)
    """What they show beside their images; only if that is used."""
    evidence: np.ndarray | None = None
    """What the outcome is based on already, as index into Evidence, int8 [N]; by default the image."""
    images: Mapping[int, Sequence[SaidImage]] = field(default_factory=dict)
    """By the position of an item with several images, what each of them says."""
    attributes: Mapping[int, bytes] = field(default_factory=dict)
    """By the position of an item that is decided again, its attributes, as `AttributeRows.unpacked` takes them."""


@dataclass(frozen=True)
class Decided:
    """Decisions of the policy; each field has one entry per item."""

    records: np.ndarray
    """By `outcome_type`; of all that an item shows if the run asks that."""
    decisions: np.ndarray
    """Names, object [N]."""
    reasons: np.ndarray
    """Which of REASONS apply, bool [N, reasons]."""
    evidence: np.ndarray
    """What each is based on, as index into Evidence, int8 [N]; undefined for failed items."""
    title_type: np.ndarray
    """What the title says by itself, as index of an article type, int [N]; -1 where it says nothing."""
    title_confidence: np.ndarray
    """Its probability, float32 [N]."""
    said: Said
    """What titles and columns say, where the prediction is of all that an item shows."""


class PredictionRows:
    """Turns outcomes into named rows, and applies the policy.

    Args:
        card: The model's card.
        thresholds: Confidences from which predictions by image alone are accepted.
        run_id: Written into every row.
        qa_sample: Which accepted items also go to review.
        embeddings: Whether the outcomes hold image vectors.
        evidence: What titles and columns say; a prediction that a confident title contradicts goes to review.
        join: Predict by all that an item shows instead; without a usable image, by the rest.
        others: Confidences from which predictions of other evidence are accepted; by default `thresholds`.
        attributes: Predicts further tags.
    """

    def __init__(
        self,
        card: ModelCard,
        thresholds: Thresholds,
        run_id: str,
        qa_sample: QaSample = _NO_SAMPLE,
        embeddings: bool = False,
        evidence: EvidenceModel | None = None,
        join: bool = False,
        others: Mapping[Evidence, Thresholds] | None = None,
        attributes: AttributeRows | None = None,
    ) -> None:
        levels = Levels(card.taxonomy)
        self._card = card
        self._known = KnownLabels(card.taxonomy)
        self._unfamiliar_below = card.familiarity.below if card.familiarity else 0.0
        self.attributes = attributes
        self.outcome_type: np.dtype[np.void] = outcome_type(
            card.architecture.embedding_dim if embeddings else 0, attributes.model.size if attributes else 0
        )
        names = {Level.MASTER_CATEGORY: levels.masters, Level.ARTICLE_TYPE: levels.types}
        of_each = [{Evidence.IMAGE: thresholds, **(others or {})}.get(evidence, thresholds) for evidence in Evidence]
        self._needed = {
            level: np.stack([accepted.needed(level, classes) for accepted in of_each])
            for level, classes in names.items()
        }
        self._run_id = run_id
        self._qa_sample = qa_sample
        self._witnesses = Witnesses(evidence, levels) if evidence else None
        self._join = join
        self._kinds = (Evidence.IMAGE, *(evidence.kinds if evidence and join else ()))
        self._levels = levels
        self._masters = pa.array(levels.masters, pa.string())
        self.outcome_types = pa.array(levels.types, pa.string())
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
        records = np.zeros(size, self.outcome_type)
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
            "articleType": self.outcome_types.take(pa.array(records["type"], mask=null)),
            "articleTypeConfidence": pa.array(records["type_confidence"], mask=null),
            "alternatives": self._alternatives(records, null),
            "decision": pa.array(decided.decisions, pa.string()),
            "reviewReasons": _reasons(decided.reasons),
            "blurScore": pa.array(records["blur_score"], mask=~good),
            "evidenceDigest": pa.array(
                self._witnesses.digests(items.shown, size) if self._witnesses else [None] * size, pa.string()
            ),
            "evidence": _EVIDENCE.take(pa.array(decided.evidence, mask=null)),
            "imageArticleType": self.outcome_types.take(pa.array(records["image_type"], mask=~good)),
            "imageArticleTypeConfidence": pa.array(records["image_type_confidence"], mask=~good),
            "titleArticleType": self.outcome_types.take(pa.array(decided.title_type, mask=decided.title_type < 0)),
            "titleArticleTypeConfidence": pa.array(decided.title_confidence, mask=decided.title_type < 0),
            "images": images_column(self.outcome_types, items.images, size),
            "attributes": self._attributes_of(items, decided, good),
            "brightness": pa.array(records["brightness"], mask=~good | np.isnan(records["brightness"])),
            "imageWidth": pa.array(records["size"][:, 0], mask=records["size"][:, 0] == 0),
            "imageHeight": pa.array(records["size"][:, 1], mask=records["size"][:, 1] == 0),
            "familiarity": pa.array(records["familiarity"], mask=~good | np.isnan(records["familiarity"])),
            "errorCode": pa.array([e and str(e.code) for e in errors], pa.string()),
            "errorMessage": pa.array([e and e.message for e in errors], pa.string()),
            "modelId": _repeated(self._card.model_id, size),
            "runId": _repeated(self._run_id, size),
            "taggedAt": pa.array([datetime.now(UTC)] * size, pa.timestamp("us", tz="UTC")),
        }
        return pa.table(columns, schema=PREDICTION)

    def decide(self, items: Items, records: np.ndarray, good: np.ndarray, in_full: bool = True) -> Decided:
        """Apply the policy.

        Args:
            items: N items.
            records: Outcomes by `outcome_type` [N].
            good: Items that have a record, bool [N]; the others fail, unless what else they show is asked and says
                enough.
            in_full: Say of all items what their titles say by themselves; if not, only where that decides.
        """
        size = len(records)
        evidence, tagged = np.full(size, BY_IMAGE), good
        if items.evidence is not None:
            evidence[good] = items.evidence[good]
        strange = good & (records["familiarity"] < self._unfamiliar_below)  # NaN, where it is not known, is not below
        heard = np.ones(size, bool) if in_full or not self._join else ~good | (evidence == BY_IMAGE) | strange
        said = self._witnesses.said(items.shown, heard) if self._witnesses else None
        title_type, title_confidence = self._of_title(said, size)
        if self._witnesses and said and self._join:
            records, evidence = self._witnesses.joined(records, good, evidence, said)
            tagged = evidence >= 0
        # a title makes up for a blurry image, and one that says the same by itself for an unfamiliar one; how precise
        # both are then is part of their policy
        blurry = good & ~_HAS_TITLE[evidence] & (records["blur_score"] < self._card.blur_threshold)
        unfamiliar = strange & ~(_HAS_TITLE[evidence] & (title_type == records["type"]))
        conflict = tagged & self._conflicts(items.known_masters, records["master"])
        columns_of = {Level.MASTER_CATEGORY: "master", Level.ARTICLE_TYPE: "type"}
        needed = {level: self._needed[level][evidence, records[name]] for level, name in columns_of.items()}
        confidence = {level: records[f"{name}_confidence"] for level, name in columns_of.items()}
        unsure = tagged & np.any([confidence[level] < needed[level] for level in Level], axis=0)
        contradicted = good & (title_confidence >= _SURE_TITLE) & (title_type != records["type"]) & (not self._join)
        decisions = decide(needed, confidence, blurry | unfamiliar | conflict | contradicted)
        decisions[~tagged] = str(Decision.FAILED)
        sampled = np.zeros(size, bool)
        if self._qa_sample.share:
            sampled = np.isin(decisions, _ACCEPTED) & self._qa_sample.drawn(items.ids)
            decisions[sampled] = str(Decision.REVIEW)
        imageless = tagged & ~_HAS_IMAGE[evidence] & (decisions != str(Decision.ACCEPT))
        reasons = np.stack([unsure, blurry, conflict, sampled, contradicted, imageless, unfamiliar], axis=1)
        heard_of_all = said if said and self._join else Said({}, {})
        return Decided(records, decisions, reasons, evidence, title_type, title_confidence, heard_of_all)

    def widened(self, record: bytes) -> bytes:
        """A record without an image vector, converted to this run's dtype, which may have one."""
        wide = np.zeros(1, self.outcome_type)
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
        ids, of_images = [items.ids[row] for row in good], [digests[row] for row in good]
        return vector_table(self._card.model_id, ids, of_images, records)

    def _records(self, outcomes: Sequence[Outcome]) -> np.ndarray:
        return np.frombuffer(b"".join(o for o in outcomes if isinstance(o, bytes)), self.outcome_type)

    def _conflicts(self, known: Sequence[str | None], predicted: np.ndarray) -> np.ndarray:
        """Whether the known master category differs; one that the model does not know differs, too; bool [N]."""
        merged = {name: self._known.master(name) for name in set(known)}
        code_of = {name: -1 if to is None else self._number_of.get(to, -2) for name, to in merged.items()}
        codes = np.array([code_of[name] for name in known], np.int64)
        conflicts: np.ndarray = (codes != -1) & (codes != predicted)
        return conflicts

    def _of_title(self, said: Said | None, size: int) -> tuple[np.ndarray, np.ndarray]:
        """What the titles say by themselves: indices of article types, int [N], -1 for none; and their probability."""
        if said is None or "title" not in said.speaks:
            return np.full(size, -1), np.zeros(size, np.float32)
        _, _, article, sure = self._levels.choose(said.probabilities["title"])
        speaks = said.speaks["title"]
        return np.where(speaks, article, -1), np.where(speaks, sure, 0).astype(np.float32)

    def _attributes_of(self, items: Items, decided: Decided, good: np.ndarray) -> pa.Array:
        """The column `attributes`; those of items that are decided again are not predicted again."""
        tagged = decided.decisions != str(Decision.FAILED)
        if self.attributes is None:
            return pa.nulls(len(good), PREDICTION.field("attributes").type)
        records = decided.records
        leaves = LeavesSaid(records["leaves"], records["leaf_confidences"], records["type"])
        predicted = self.attributes.predict(records["attributes"], good, decided.said, items.shown, leaves, self._kinds)
        for row, stored in items.attributes.items():
            predicted[row] = self.attributes.unpacked(stored)
        return self.attributes.column(predicted, tagged)

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
    _, codes = np.nonzero(flags)
    names = pa.array([str(reason) for reason in REASONS], pa.string())
    return pa.ListArray.from_arrays(_offsets(flags.sum(axis=1)), names.take(pa.array(codes)))


def _offsets(counts: np.ndarray) -> pa.Array:
    return pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())


def _repeated(text: str, size: int) -> pa.Array:
    return pa.repeat(pa.scalar(text, pa.string()), size)
