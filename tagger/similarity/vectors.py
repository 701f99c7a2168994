"""The image vectors of runs, with the tags of their items, as pieces for an index."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tagger.errors import UsageError
from tagger.flow.seen_ids import SeenIds
from tagger.images.patterns import text_column
from tagger.manifest.manifest import Manifest
from tagger.runs.ledger import LedgerEntry
from tagger.schemas.documents.index import INDEXED
from tagger.schemas.documents.taxonomy import Level
from tagger.similarity.build import Piece
from tagger.similarity.index import VectorIndex
from tagger.tagging.rows import matrix_of

NEW, CHANGED, THERE, OLDER = "new", "changed", "there already", "older than another run's"
_LEVELS = [str(level) for level in Level]


def labels_of(manifest: Manifest, keep: Sequence[str], flag: str = "--manifest") -> pa.Table:
    """The id, the labels where there are some, and the columns to keep of every row of a manifest, as text.

    Raises UsageError for a column that the manifest has not.
    """
    absent = [name for name in keep if name not in manifest.columns]
    if absent:
        raise UsageError(f"--keep {absent[0]}: {flag} has no such column; it has {manifest.columns}")
    taken = [name for name in keep if name in INDEXED.names]
    if taken:
        raise UsageError(f"--keep {taken[0]}: an index has a column of that name already")
    tables = [pa.schema([(name, pa.string()) for name in ("id", *_LEVELS, *keep)]).empty_table()]
    for batch in manifest.batches():
        there = batch.items.schema.names
        none = pa.nulls(len(batch.items), pa.string())
        columns = {name: batch.items[name] if name in there else none for name in ("id", *_LEVELS)}
        columns |= {name: text_column(batch, name, "--keep") for name in keep}
        tables.append(pa.table(columns).cast(tables[0].schema))
    return pa.concat_tables(tables).combine_chunks()


class EmbeddedItems:
    """The items of runs that an index has not yet as they are now; `counts` says how many were what.

    Args:
        runs: Finished ones of one model, the newest first; an item counts as its newest run has it.
        labels: What `labels_of` gives; none for tags that are predictions.
        index: What is there already.
    """

    def __init__(self, runs: Sequence[LedgerEntry], labels: pa.Table | None, index: VectorIndex | None) -> None:
        self._runs = runs
        self._labels = labels
        self._index = index
        self.counts: Counter[str] = Counter()

    def pieces(self) -> Iterator[Piece]:
        """The items, in pieces."""
        seen: SeenIds[int] = SeenIds()
        for run in self._runs:
            for found, vectors in run.directory.embedded(["imageUri", *_LEVELS]):
                repeated = seen.add(vectors["id"].to_pylist(), [0] * len(vectors))
                fresh = np.ones(len(vectors), bool)
                fresh[list(repeated)] = False
                self.counts[OLDER] += len(repeated)
                piece = self._piece(found.filter(pa.array(fresh)), vectors.filter(pa.array(fresh)))
                wanted = self._wanted(piece.items)
                if wanted.any():
                    yield Piece(piece.items.filter(pa.array(wanted)), piece.vectors[wanted], piece.layouts[wanted])

    def _piece(self, found: pa.Table, vectors: pa.Table) -> Piece:
        columns: dict[str, pa.ChunkedArray | pa.Array] = {
            "id": vectors["id"],
            "imageUri": found["imageUri"],
            "imageDigest": vectors["imageDigest"],
        }
        size = len(vectors)
        labels = self._labels
        row = pc.index_in(vectors["id"], value_set=labels["id"].combine_chunks()) if labels else None
        own = {name: labels[name].take(row) for name in labels.column_names if name != "id"} if labels else {}
        labelled = pc.and_(*(pc.is_valid(own[name]) for name in _LEVELS)) if own else pa.array(np.zeros(size, bool))
        for name in _LEVELS:
            columns[name] = pc.if_else(labelled, own[name], found[name]) if own else found[name]
        columns["labelled"] = labelled
        kept = {name: column for name, column in own.items() if name not in _LEVELS}
        schema = pa.schema([*INDEXED, *(pa.field(name, pa.string()) for name in kept)])
        items = pa.table({**columns, **kept}, schema=schema)
        return Piece(items, matrix_of(vectors["vector"]), matrix_of(vectors["layout"]))

    def _wanted(self, items: pa.Table) -> np.ndarray:
        """Which items the index has not, or has with another image or another label, bool [N]."""
        if self._index is None:
            self.counts[NEW] += len(items)
            return np.ones(len(items), bool)
        numbers = self._index.numbers(items["id"].to_pylist())
        there = numbers >= 0
        old = self._index.items.take(pa.array(np.where(there, numbers, 0)))
        same = there.copy()
        for name in items.schema.names:
            equal = pc.or_kleene(
                pc.equal(items[name], old[name]), pc.and_(pc.is_null(items[name]), pc.is_null(old[name]))
            )
            same &= np.asarray(equal.fill_null(False))
        self.counts[NEW] += int((~there).sum())
        self.counts[THERE] += int(same.sum())
        self.counts[CHANGED] += int((there & ~same).sum())
        return ~same
