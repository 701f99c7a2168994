"""What came out of a run, type by type, in one pass over its predictions."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import pyarrow as pa

from tagger.flow.hash_order import sample_order
from tagger.schemas.tables.prediction import Decision

COLUMNS = ["id", "articleType", "decision", "reviewReasons"]
SHOWN_OF_TYPE = 4
_MOST_TYPES = 40
_WAITING = (str(Decision.REVIEW), str(Decision.ACCEPT_MASTER_ONLY))


@dataclass
class OutcomeByType:
    """Counts of a run's items by predicted article type, and some of each to show."""

    accepted: Counter[str] = field(default_factory=Counter)
    waiting: Counter[str] = field(default_factory=Counter)
    """Items for a person, of which the master category may be sure."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Why items wait; one may have several reasons."""
    _drawn: dict[str, list[tuple[int, str]]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, tables: Iterable[pa.Table]) -> "OutcomeByType":
        """Count predictions with the columns COLUMNS."""
        found = cls()
        for table in tables:
            found._add(table)
        return found

    @property
    def items(self) -> Counter[str]:
        """Tagged items by type."""
        return self.accepted + self.waiting

    def shown(self) -> Iterator[tuple[str, list[str]]]:
        """The most frequent types, each with some of its accepted items, drawn by their ids."""
        for name, _ in self.accepted.most_common(_MOST_TYPES):
            yield name, [item for _, item in sorted(self._drawn[name])]

    def _add(self, table: pa.Table) -> None:
        ids, types, decisions, reasons = (table[name].to_pylist() for name in COLUMNS)
        hashes = sample_order(ids).tolist()
        for item, name, decision, why, number in zip(ids, types, decisions, reasons, hashes, strict=True):
            if decision == Decision.ACCEPT:
                self.accepted[name] += 1
                self._draw(name, number, item)
            elif decision in _WAITING:
                self.waiting[name] += 1
                self.reasons.update(why)

    def _draw(self, name: str, number: int, item: str) -> None:
        drawn = self._drawn[name]
        if len(drawn) < SHOWN_OF_TYPE:
            drawn.append((number, item))
        elif number < max(drawn)[0]:
            drawn.remove(max(drawn))
            drawn.append((number, item))
