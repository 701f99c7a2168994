"""What a drift check looks at: the distinct pictures of some runs, and what the model said of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tagger.flow.hash_order import sample_order
from tagger.runs.directory import RunDirectory
from tagger.schemas.tables.prediction import ALTERNATIVES, Decision

_COLUMNS = [
    "id", "imageDigest", "articleType", "articleTypeConfidence", "alternatives", "decision", "blurScore", "brightness",
    "imageWidth", "imageHeight", "errorCode",
]  # fmt: skip
_SEED = 0
MOST_ITEMS = 20_000
"""Items of a run that are looked at; of more, these are drawn."""


@dataclass(frozen=True)
class Sample:
    """N items with distinct pictures; all arrays have one entry per item."""

    ids: np.ndarray
    """Object [N]."""
    digests: np.ndarray
    """Of their pictures, object [N]."""
    types: np.ndarray
    """Predicted article types, object [N]."""
    confidence: np.ndarray
    """Their calibrated probabilities, float32 [N]."""
    leaves: np.ndarray
    """The most probable leaves, `master\\0type`, object [N, ALTERNATIVES]; empty where there are fewer."""
    probabilities: np.ndarray
    """Theirs, float32 [N, ALTERNATIVES]."""
    blur: np.ndarray
    """Blur scores, float32 [N]; NaN where none is known, as in the following."""
    brightness: np.ndarray
    pixels: np.ndarray
    """Width × height of the files' images, float32 [N]."""
    vectors: np.ndarray
    """Image vectors of length 1, float16 [N, D]; D is 0 without any, and a row of NaN where one is missing."""

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: np.ndarray) -> "Sample":
        """Some of the items, by their numbers or as bool [N]."""
        return replace(self, **{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    @classmethod
    def empty(cls) -> "Sample":
        """No items."""
        nothing, numbers = np.empty(0, object), np.empty(0, np.float32)
        several = (0, ALTERNATIVES)
        return cls(
            nothing, nothing, nothing, numbers, np.empty(several, object), np.empty(several, np.float32), numbers,
            numbers, numbers, np.empty((0, 0), np.float16),
        )  # fmt: skip

    @classmethod
    def joined(cls, samples: Sequence["Sample"]) -> "Sample":
        """Several samples as one, without further copies of a picture."""
        size = max((sample.vectors.shape[1] for sample in samples), default=0)
        padded = [
            sample if sample.vectors.shape[1] == size else replace(sample, vectors=_missing(len(sample), size))
            for sample in samples
        ]
        whole = cls(*(np.concatenate([getattr(s, field.name) for s in padded]) for field in fields(cls)))
        _, first = np.unique(whole.digests.astype(str), return_index=True)
        return whole.take(np.sort(first))

    def drawn(self, most: int) -> "Sample":
        """At most so many of the items, chosen by the hashes of their pictures."""
        if len(self) <= most:
            return self
        return self.take(np.argsort(sample_order(self.digests.tolist(), _SEED), kind="stable")[:most])


@dataclass(frozen=True)
class Night:
    """A run, or several."""

    sample: Sample
    """The items that could be tagged by their pictures."""
    failed: int
    """Number of items without a usable picture."""
    tagged: int | None = None
    """Number of the others, if the sample is drawn from them."""

    def new_against(self, reference: Sample) -> "Night":
        """The night without pictures that the reference has."""
        known = np.isin(self.sample.digests.astype(str), reference.digests.astype(str))
        return Night(self.sample.take(~known), self.failed, self.tagged)

    @property
    def items(self) -> int:
        """All items."""
        return (len(self.sample) if self.tagged is None else self.tagged) + self.failed


def night_of(run: RunDirectory) -> Night:
    """Read a run, in memory that does not grow with it."""
    samples: list[Sample] = []
    failed = tagged = 0
    for table in run.batches(_COLUMNS):
        is_failed = pc.or_(pc.is_valid(table["errorCode"]), pc.equal(table["decision"], str(Decision.FAILED)))
        failed += pc.sum(is_failed).as_py() or 0
        usable = pc.and_(pc.invert(is_failed), pc.is_valid(table["imageDigest"]))
        samples.append(_sample(table.filter(usable)))
        tagged += len(samples[-1])
        if sum(map(len, samples)) > 2 * MOST_ITEMS:
            samples = [Sample.joined(samples).drawn(MOST_ITEMS)]
    sample = Sample.joined(samples).drawn(MOST_ITEMS) if samples else Sample.empty()
    return Night(_with_vectors(sample, run.vectors(["imageDigest", "vector"])), failed, tagged)


def _sample(table: pa.Table) -> Sample:
    leaves, probabilities = _alternatives(table["alternatives"].combine_chunks(), len(table))
    pixels = _numbers(table["imageWidth"]) * _numbers(table["imageHeight"])
    return Sample(
        _texts(table["id"]), _texts(table["imageDigest"]), _texts(table["articleType"]),
        _numbers(table["articleTypeConfidence"]), leaves, probabilities, _numbers(table["blurScore"]),
        _numbers(table["brightness"]), pixels, np.empty((len(table), 0), np.float16),
    )  # fmt: skip


def _alternatives(column: pa.ListArray, rows: int) -> tuple[np.ndarray, np.ndarray]:
    leaves = np.full((rows, ALTERNATIVES), "", object)
    probabilities = np.zeros((rows, ALTERNATIVES), np.float32)
    flat = pc.list_flatten(column)
    row = np.asarray(pc.list_parent_indices(column))
    place = np.arange(len(row)) - np.searchsorted(row, np.arange(rows))[row]
    names = [pc.struct_field(flat, name) for name in ("masterCategory", "articleType")]
    leaves[row, place] = pc.binary_join_element_wise(*names, "\0").to_numpy(zero_copy_only=False)
    probabilities[row, place] = np.asarray(pc.struct_field(flat, "confidence"))
    return leaves, probabilities


def _with_vectors(sample: Sample, tables: Iterable[pa.Table]) -> Sample:
    row_of = {digest: row for row, digest in enumerate(sample.digests.tolist())}
    vectors: np.ndarray | None = None
    for table in tables:
        column = table["vector"].combine_chunks()
        if not len(column):
            continue
        rows = np.array([row_of.get(digest, -1) for digest in table["imageDigest"].to_pylist()])
        read = np.asarray(column.flatten(), np.float16).reshape(len(column), -1)
        if vectors is None:
            vectors = _missing(len(sample), read.shape[1])
        vectors[rows[rows >= 0]] = read[rows >= 0]
    return sample if vectors is None else replace(sample, vectors=vectors)


def _missing(rows: int, size: int) -> np.ndarray:
    return np.full((rows, size), np.nan, np.float16)


def _texts(column: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(column.to_numpy(), object)


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(column.cast(pa.float32()).to_numpy(), np.float32)
