"""Reads the image vectors of runs, with the tags of their items, as pieces for an index."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tagger.errors import UsageError
from tagger.flow.id_rows import IdRows
from tagger.images.patterns import text_column
from tagger.manifest.headings import listed
from tagger.manifest.manifest import Manifest
from tagger.runs.ledger import LedgerEntry
from tagger.schemas.documents.index import INDEXED
from tagger.schemas.documents.taxonomy import Level
from tagger.similarity.build import Piece
from tagger.similarity.index import VectorIndex
from tagger.tagging.vector_rows import matrix_of

NEW, CHANGED, UNCHANGED, OLDER = "new", "changed", "there already", "older than another run's"
_LEVELS = [str(level) for level in Level]


def labels_of(manifest: Manifest, keep: Sequence[str], flag: str = "--manifest") -> pa.Table:
    """The id, the labels (null where there is none) and the kept columns of every row of a manifest, as text.

    Raises UsageError for a column that the manifest lacks.
    """
    absent = [name for name in keep if name not in manifest.columns]
    if absent:
        raise UsageError(f"--keep {absent[0]}: {flag} has no such column; it has {listed(manifest.columns)}")
    clashing = [name for name in keep if name in INDEXED.names]
    if clashing:
        raise UsageError(f"--keep {clashing[0]}: an index has a column of that name already")
    tables = [pa.schema([(name, pa.string()) for name in ("id", *_LEVELS, *keep)]).empty_table()]
    for batch in manifest.batches():
        present = batch.items.schema.names
        none = pa.nulls(len(batch.items), pa.string())
        columns = {name: batch.items[name] if name in present else none for name in ("id", *_LEVELS)}
        columns |= {name: text_column(batch, name, "--keep") for name in keep}
        tables.append(pa.table(columns).cast(tables[0].schema))
    return pa.concat_tables(tables).combine_chunks()


class EmbeddedItems:
    """The items of runs that are new to an index or changed; `counts` says how many are new, changed and so on.

    Args:
        runs: Finished runs of one model, the newest first; only the newest run of an item counts.
        labels: The result of `labels_of`; without it, predictions are the tags.
        index: The index so far; None where there is none.
    """

    def __init__(self, runs: Sequence[LedgerEntry], labels: pa.Table | None, index: VectorIndex | None) -> None:
        self._runs = runs
        self._labels = labels
        self._index = index
        self.counts: Counter[str] = Counter()

    def pieces(self) -> Iterator[Piece]:
        """Stream the items; `counts` is complete when they are consumed."""
        seen = IdRows()
        for run in self._runs:
            for predictions, vectors in run.directory.embedded(["imageUri", *_LEVELS]):
                _, fresh = seen.add(vectors["id"].to_pylist())
                self.counts[OLDER] += int((~fresh).sum())
                piece = self._piece(predictions.filter(pa.array(fresh)), vectors.filter(pa.array(fresh)))
                mask = self._is_needed(piece.items)
                if mask.any():
                    yield Piece(piece.items.filter(pa.array(mask)), piece.vectors[mask], piece.layouts[mask])

    def _piece(self, predictions: pa.Table, vectors: pa.Table) -> Piece:
        columns: dict[str, pa.ChunkedArray | pa.Array] = {
            "id": vectors["id"],
            "imageUri": predictions["imageUri"],
            "imageDigest": vectors["imageDigest"],
        }
        size = len(vectors)
        labels = self._labels
        row = pc.index_in(vectors["id"], value_set=labels["id"].combine_chunks()) if labels else None
        joined = {name: labels[name].take(row) for name in labels.column_names if name != "id"} if labels else {}
        labelled = (
            pc.and_(*(pc.is_valid(joined[name]) for name in _LEVELS)) if joined else pa.array(np.zeros(size, bool))
        )
        for name in _LEVELS:
            columns[name] = pc.if_else(labelled, joined[name], predictions[name]) if joined else predictions[name]
        columns["labelled"] = labelled
        kept_columns = {name: column for name, column in joined.items() if name not in _LEVELS}
        schema = pa.schema([*INDEXED, *(pa.field(name, pa.string()) for name in kept_columns)])
        items = pa.table({**columns, **kept_columns}, schema=schema)
        return Piece(items, matrix_of(vectors["vector"]), matrix_of(vectors["layout"]))

    def _is_needed(self, items: pa.Table) -> np.ndarray:
        """Which items the index lacks, or has with another image or another label, bool [N]."""
        if self._index is None:
            self.counts[NEW] += len(items)
            return np.ones(len(items), bool)
        positions = self._index.positions(items["id"].to_pylist())
        is_indexed = positions >= 0
        indexed = self._index.items.take(pa.array(np.where(is_indexed, positions, 0)))
        same = is_indexed.copy()
        for name in items.schema.names:
            equal = pc.or_kleene(
                pc.equal(items[name], indexed[name]), pc.and_(pc.is_null(items[name]), pc.is_null(indexed[name]))
            )
            same &= np.asarray(equal.fill_null(False))
        self.counts[NEW] += int((~is_indexed).sum())
        self.counts[UNCHANGED] += int(same.sum())
        self.counts[CHANGED] += int((is_indexed & ~same).sum())
        return ~same
