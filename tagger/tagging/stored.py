"""Stored predictions of earlier runs, packed to one entry an item."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tagger.models.levels import Levels
from tagger.schemas.documents.bundle import ModelCard
from tagger.schemas.tables.prediction import Decision, Evidence
from tagger.tagging.attributes import VALUED, AttributeRows
from tagger.tagging.collector import outcome_type
from tagger.tagging.rows import REASONS

_DIGEST_BYTES, EVIDENCE_BYTES = 32, 8
_STORED = np.dtype(
    [
        ("digest", np.uint8, (_DIGEST_BYTES,)),
        ("shown", np.uint8, (EVIDENCE_BYTES,)),
        ("evidence", np.int8),
        ("images", np.int16),
        ("decision", np.int8),
        ("reasons", np.bool_, (len(REASONS),)),
        ("outcome", outcome_type()),
        ("usable", np.bool_),
    ]
)
"""Columns of a stored prediction; its attributes follow, if the run predicts some.

`usable` is left to the caller: whether the same image would get the same prediction now, as far as its run says.
"""
COLUMNS = [
    "id", "imageDigest", "images", "masterCategory", "masterCategoryConfidence", "articleType", "articleTypeConfidence",
    "alternatives", "decision", "reviewReasons", "blurScore", "brightness", "familiarity",
    "imageWidth", "imageHeight", "evidenceDigest", "modelId", "imageUri", "imageEtag",
    "evidence", "imageArticleType", "imageArticleTypeConfidence", "attributes", "errorCode",
]  # fmt: skip
_SIDES = ("Width", "Height")
DECISIONS = [str(decision) for decision in Decision]
_EVIDENCE = pa.array([str(evidence) for evidence in Evidence])
_BY_IMAGE = np.int8(Evidence.IMAGE.code)


class Packer:
    """Packs rows of the prediction contract as `stored`.

    Args:
        card: The model's.
        attributes: Reads attributes, if the run predicts some.
    """

    def __init__(self, card: ModelCard, attributes: AttributeRows | None) -> None:
        self._attributes = attributes
        number = (len(attributes.model.attributes) if attributes else 0,)
        self.stored = np.dtype([*_STORED.descr, ("attributes", VALUED, number), ("accepted", bool, number)])
        levels = Levels(card.taxonomy)
        self._masters = pa.array(levels.masters, pa.string())
        self._types = pa.array(levels.types, pa.string())
        self._leaves = pa.array([f"{leaf.masterCategory}\0{leaf.articleType}" for leaf in card.taxonomy.leaves])

    def packed(self, table: pa.Table) -> np.ndarray:
        """One entry by `stored` [N] per row of COLUMNS; that of failed rows and other models is undefined."""
        stored = np.zeros(len(table), self.stored)
        stored["digest"] = _bytes_of(table["imageDigest"], _DIGEST_BYTES)
        stored["shown"] = _bytes_of(table["evidenceDigest"], EVIDENCE_BYTES)
        stored["images"] = np.asarray(pc.fill_null(pc.list_value_length(table["images"]), 1))
        stored["evidence"] = np.maximum(_indices_in(table["evidence"], _EVIDENCE), _BY_IMAGE)  # older runs have none
        stored["decision"] = _indices_in(table["decision"], pa.array(DECISIONS))
        reasons = table["reviewReasons"].combine_chunks()
        codes = _indices_in(pc.list_flatten(reasons), pa.array([str(reason) for reason in REASONS]))
        rows = np.asarray(pc.list_parent_indices(reasons))[codes >= 0]
        stored["reasons"][rows, codes[codes >= 0]] = True
        outcome = stored["outcome"]
        outcome["master"] = _indices_in(table["masterCategory"], self._masters)
        outcome["type"] = _indices_in(table["articleType"], self._types)
        outcome["master_confidence"] = _floats(table["masterCategoryConfidence"])
        outcome["type_confidence"] = _floats(table["articleTypeConfidence"])
        outcome["blur_score"] = _floats(table["blurScore"])
        for name in ("brightness", "familiarity"):  # null: older runs
            outcome[name] = np.asarray(pc.fill_null(table[name], np.nan), np.float32)
        outcome["size"] = np.stack([np.asarray(pc.fill_null(table[f"image{side}"], 0)) for side in _SIDES], axis=1)
        says, sure = ("imageArticleType", "imageArticleTypeConfidence")
        older = np.asarray(pc.is_null(table[says]))  # runs of earlier versions, of which only those by image are used
        outcome["image_type"] = np.where(older, outcome["type"], _indices_in(table[says], self._types))
        outcome["image_type_confidence"] = np.where(older, outcome["type_confidence"], _floats(table[sure]))
        self._fill_leaves(outcome, table["alternatives"].combine_chunks())
        if self._attributes:
            column = table["attributes"].combine_chunks()
            stored["attributes"] = self._attributes.stored(column)
            stored["accepted"] = self._attributes.are_accepted_in(column)
        return stored

    def _fill_leaves(self, outcome: np.ndarray, alternatives: pa.ListArray) -> None:
        flat = pc.list_flatten(alternatives)
        names = [pc.struct_field(flat, name) for name in ("masterCategory", "articleType")]
        rows = np.asarray(pc.list_parent_indices(alternatives))
        first = np.searchsorted(rows, np.arange(len(outcome)))
        places = np.arange(len(rows)) - first[rows]
        outcome["leaves"] = -1
        outcome["leaves"][rows, places] = _indices_in(pc.binary_join_element_wise(*names, "\0"), self._leaves)
        outcome["leaf_confidences"][rows, places] = np.asarray(pc.struct_field(flat, "confidence"))


def _indices_in(names: pa.Array | pa.ChunkedArray, among: pa.Array) -> np.ndarray:
    """The index of each name in `among`, int [N]; -1 if it is missing."""
    return np.asarray(pc.fill_null(pc.index_in(names, among), -1))


def _floats(column: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(pc.fill_null(column, 0.0), np.float32)


def _bytes_of(column: pa.ChunkedArray, size: int) -> np.ndarray:
    """Hexadecimal digits as bytes, uint8 [N, size]; zeros for null."""
    texts = pc.fill_null(column, "00" * size).to_pylist()
    return np.frombuffer(bytes.fromhex("".join(texts)), np.uint8).reshape(-1, size)


def hex_of(digests: np.ndarray) -> list[str]:
    """Digests, uint8 [N, D], each in hexadecimal."""
    text, digits = digests.tobytes().hex(), 2 * digests.shape[1]
    return [text[start : start + digits] for start in range(0, len(text), digits)]
