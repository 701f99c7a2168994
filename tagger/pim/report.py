"""The report of an export or of its dry run: counts that add up, and what would change, by move."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tagger.pim.files import WrittenFile
from tagger.pim.plan import Findings, Planned
from tagger.schemas.tables.change import Outcome

NOTHING = "(nothing)"
_SAMPLES = 6
MoveName = tuple[str, str, str]
"""The field or fields, what they have, and what they get."""


@dataclass
class Report:
    """What an export does, or would do."""

    target: str
    title: str
    how: str
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    moves: Counter[MoveName] = field(default_factory=Counter)
    samples: dict[MoveName, list[str]] = field(default_factory=dict)
    """A few ids of each move."""
    findings: Findings = field(default_factory=Findings)
    replaced: int = 0
    """Values of the PIM that get another one."""
    filled: int = 0
    """Fields that had none."""
    live: int = 0
    """Values that the PIM has in the fields that are written."""
    products: int = 0
    """Products of the PIM's export."""
    unknown: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    files: list[WrittenFile] = field(default_factory=list)
    undo_files: list[WrittenFile] = field(default_factory=list)

    @property
    def items(self) -> int:
        """All of them."""
        return self.outcomes.total()

    @property
    def replaced_share(self) -> float:
        """Replaced values as a share of those that the PIM has."""
        return self.replaced / self.live if self.live else 0.0

    def count(self, planned: Planned) -> None:
        """Count an item and its moves."""
        self.outcomes[planned.outcome] += 1
        headings: dict[tuple[str, str], list[str]] = {}
        for move in planned.moves:
            headings.setdefault((", ".join(move.took) or NOTHING, move.wanted.value), []).append(move.field.heading)
            if move.took:
                self.replaced += 1
            else:
                self.filled += 1
        for (old, new), names in headings.items():
            name = (", ".join(names), old, new)
            self.moves[name] += 1
            samples = self.samples.setdefault(name, [])
            if len(samples) < _SAMPLES:
                samples.append(planned.id)

    def largest(self) -> Iterator[tuple[MoveName, int]]:
        """Moves that replace a value, then those that fill one; of each the largest first."""
        yield from sorted(self.moves.items(), key=lambda each: (each[0][1] == NOTHING, -each[1], each[0]))

    def as_document(self) -> dict[str, Any]:
        """The same for JSON."""
        return {
            "target": self.target,
            "items": self.items,
            "outcomes": {str(outcome): self.outcomes[outcome] for outcome in Outcome},
            "products": self.products,
            "live": self.live,
            "replaced": self.replaced,
            "filled": self.filled,
            "moves": [
                {"field": heading, "from": None if old == NOTHING else old, "to": new, "items": count}
                for (heading, old, new), count in self.largest()
            ],
            "unmapped": [
                {"field": heading, "class": of, "items": n} for (heading, of), n in self.findings.unmapped.most_common()
            ],
            "kept": [
                {"field": heading, "has": old, "model": new, "items": count}
                for (heading, old, new), count in self.findings.kept.most_common()
            ],
            "held": [
                {"reason": reason, "items": count, "examples": self.findings.examples.get(reason, [])}
                for reason, count in self.findings.held.most_common()
            ],
            "examples": {str(o): ids for o in Outcome if (ids := self.findings.examples.get(o))},
            "unknown": {heading: [value for value, _ in values] for heading, values in self.unknown.items()},
            "warnings": self.warnings,
            "files": {file.name: file.rows for file in self.files},
            "undoFiles": {file.name: file.rows for file in self.undo_files},
        }
