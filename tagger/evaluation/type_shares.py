"""How frequent types are, and were before."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class TypeShare:
    """How frequent a type is."""

    name: str
    items: int
    share: float
    """Of all items, 0 to 1."""
    before: float
    """The same of the items before."""


def type_shares(items: Mapping[str, int], before: Mapping[str, int]) -> list[TypeShare]:
    """The types of two sets of items, by their counts; those first whose share has changed most."""
    total, total_before = max(sum(items.values()), 1), max(sum(before.values()), 1)
    shares = [
        TypeShare(name, items.get(name, 0), items.get(name, 0) / total, before.get(name, 0) / total_before)
        for name in {*items, *before}
    ]
    return sorted(shares, key=lambda of: (-abs(of.share - of.before), of.name))
