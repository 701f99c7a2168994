"""Review decisions that replace a manifest's labels."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tagger.manifest.batch import Batch
from tagger.manifest.labels import manifest_label
from tagger.manifest.selection import tagged
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.decision import Verdict

REVIEWED = "tagger:reviewed"
"""Column of a manifest with reviewed labels: the effect of the review on the row's labels, null without a decision."""
MANIFEST_LABELS = tuple(manifest_label(level) for level in Level)
"""Additional columns: the manifest's own labels."""
NEW, CHANGED, CONFIRMED, REMOVED, ABSENT = "new", "changed", "confirmed", "removed", "absent"
_COLUMNS = [str(level) for level in Level]


class ReviewedLabels:
    """Replaces a manifest's labels with review decisions.

    If only the master category was decided, or the image is unusable, the item loses its label. Of several decisions
    about an item, the newest counts.

    Args:
        decisions: By DECISION, in any order.
    """

    def __init__(self, decisions: Iterable[pa.Table]) -> None:
        newest: dict[str, tuple[datetime, str, str | None, str | None]] = {}
        for table in decisions:
            for row in table.select(["id", "decidedAt", "verdict", *_COLUMNS]).to_pylist():
                before = newest.get(row["id"])
                if before is None or before[0] < row["decidedAt"]:
                    newest[row["id"]] = (row["decidedAt"], row["verdict"], *(row[name] for name in _COLUMNS))
        self._labels = {
            item: (master, article) if verdict != Verdict.UNUSABLE else (None, None)
            for item, (_, verdict, master, article) in newest.items()
        }
        self._seen: dict[str, str] = {}

    def __len__(self) -> int:
        """Number of decided items."""
        return len(self._labels)

    @property
    def counts(self) -> dict[str, int]:
        """Number of rows by effect of the decision (NEW and so on), and of decisions without an item (ABSENT)."""
        effects = Counter(self._seen.values())
        absent = len(self._labels) - len(self._seen)
        counts = {name: effects[name] for name in (NEW, CHANGED, CONFIRMED, REMOVED)} | {ABSENT: absent}
        return {name: count for name, count in counts.items() if count}

    def fingerprint(self) -> str:
        """Hash of all decided labels."""
        lines = "\n".join(f"{item}\t{labels}" for item, labels in sorted(self._labels.items()))
        return hashlib.sha256(lines.encode()).hexdigest()[:16]

    def over(self, batch: Batch) -> Batch:
        """A batch with the decided labels instead of its own, and with the columns REVIEWED and MANIFEST_LABELS."""
        items = batch.items
        ids = items["id"].to_pylist()
        none: list[str | None] = [None] * len(ids)
        present = items.schema.names
        labels: list[list[str | None]] = [items[n].to_pylist() if n in present else none for n in _COLUMNS]
        pairs: list[tuple[str | None, ...]] = list(zip(*labels, strict=True))
        effects: list[str | None] = []
        for row, item in enumerate(ids):
            decided = self._labels.get(item)
            effects.append(None if decided is None else _effect(pairs[row], decided))
            if decided is not None:
                pairs[row] = decided
                self._seen[item] = effects[row] or ""
        columns = list(zip(*pairs, strict=True)) or [(), ()]
        changed: dict[str, Sequence[str | None]] = {REVIEWED: effects}
        changed |= dict(zip(_COLUMNS, columns, strict=True))
        changed |= dict(zip(MANIFEST_LABELS, labels, strict=True))
        for name, values in changed.items():
            column = pa.array(values, pa.string())
            index = items.schema.get_field_index(name)
            items = items.append_column(name, column) if index < 0 else items.set_column(index, name, column)
        return replace(batch, items=items)


def _effect(labels: tuple[str | None, ...], decided: tuple[str | None, str | None]) -> str:
    if None in decided:
        return REMOVED
    if None in labels:
        return NEW
    return CONFIRMED if labels == decided else CHANGED


def labelled_once(batch: Batch) -> np.ndarray:
    """Items with both labels, now or before the review, over which a split is drawn, bool [N]."""
    is_labelled = tagged(batch)
    if REVIEWED in batch.items.schema.names:
        is_labelled |= np.asarray(
            pc.equal(batch.items[REVIEWED], REMOVED).fill_null(False).to_numpy(zero_copy_only=False), bool
        )
    return is_labelled
