"""The classes that a reviewer may choose, common and rare ones."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

Pair = tuple[str, str]
_MIN_ITEMS = 3
_MIN_SHARE = 0.01


class Leaf(NamedTuple):
    """A class to choose: a masterCategory with an articleType."""

    number: int
    master: str
    article: str
    items: int | None
    """Items of the manifest with this label; None where it has no labels."""
    is_rare: bool
    """Whether it hardly occurs, so that choosing it is probably a mistake."""
    by_model: bool
    """Whether the model has learnt it."""

    @property
    def name(self) -> str:
        """Both levels."""
        return f"{self.article} ({self.master})"


@dataclass(frozen=True)
class LeafCounts:
    """Items of each class, in the order of the classes."""

    items: Sequence[int] | None
    by_model: Sequence[bool]

    @classmethod
    def of(cls, pairs: Sequence[Pair], labelled: Mapping[Pair, int], known: Collection[Pair] | None) -> "LeafCounts":
        """Count classes.

        Args:
            pairs: The classes.
            labelled: Items by their labels.
            known: The model's classes; None where the bundle is missing: then classes without a labelled item count.
        """
        items = [labelled.get(pair, 0) for pair in pairs]
        by_model = [not n if known is None else pair in known for pair, n in zip(pairs, items, strict=True)]
        return cls(items if any(items) else None, by_model)


class Leaves:
    """The classes to choose from, by their numbers.

    A class is rare when less than 1% of the items of its article type are under its master category, or when fewer
    than three items have it and the model has not learnt it.

    Args:
        pairs: masterCategory and articleType of each.
        counts: Items of each.
    """

    def __init__(self, pairs: Sequence[Sequence[str]], counts: LeafCounts) -> None:
        items = counts.items
        type_items: dict[str, int] = defaultdict(int)
        for (_, article), n in zip(pairs, items or [0] * len(pairs), strict=True):
            type_items[article] += n
        self._leaves = [
            Leaf(
                number, master, article, items[number] if items else None,
                items is not None and _is_rare(items[number], type_items[article], counts.by_model[number]),
                counts.by_model[number],
            )
            for number, (master, article) in enumerate(pairs)
        ]  # fmt: skip
        self._index = {(leaf.master, leaf.article): leaf.number for leaf in self._leaves}

    def __len__(self) -> int:
        return len(self._leaves)

    def __iter__(self) -> Iterator[Leaf]:
        return iter(self._leaves)

    def __getitem__(self, number: int) -> Leaf:
        return self._leaves[number]

    def add(self, pair: Pair) -> Leaf:
        """Add a class that people have agreed on, after all others, so that no number changes; return it."""
        known = self.find(*pair)
        if known is None:
            known = Leaf(len(self._leaves), *pair, None, is_rare=False, by_model=False)
            self._leaves.append(known)
            self._index[pair] = known.number
        return known

    def find(self, master: str | None, article: str | None) -> Leaf | None:
        """The class of two names; None where it cannot be chosen."""
        number = self._index.get((master or "", article or ""))
        return None if number is None else self._leaves[number]

    def like(self, master: str, article: str) -> Leaf | None:
        """The class of two names, whatever the case of their letters."""
        names = (master.casefold(), article.casefold())
        return next((leaf for leaf in self._leaves if (leaf.master.casefold(), leaf.article.casefold()) == names), None)

    @property
    def masters(self) -> list[str]:
        """The master categories, by name."""
        return sorted({leaf.master for leaf in self._leaves})

    @property
    def articles(self) -> list[str]:
        """The article types, by name."""
        return sorted({leaf.article for leaf in self._leaves})

    @property
    def common(self) -> list[Leaf]:
        """Common classes by article type; within a type, the most frequent master category first."""
        return self._by_article(rare=False)

    @property
    def rare(self) -> list[Leaf]:
        """Rare classes, in the same order."""
        return self._by_article(rare=True)

    def _by_article(self, rare: bool) -> list[Leaf]:
        chosen = [leaf for leaf in self._leaves if leaf.is_rare is rare]
        return sorted(chosen, key=lambda leaf: (leaf.article, not leaf.by_model, -(leaf.items or 0), leaf.master))


def _is_rare(items: int, type_items: int, by_model: bool) -> bool:
    """Whether a class hardly occurs.

    Args:
        items: Items of the class.
        type_items: Items of its article type, under any master category.
        by_model: Whether the model has learnt it, so that it occurs somewhere.
    """
    if by_model:
        return items < _MIN_SHARE * type_items
    return items < max(_MIN_ITEMS, _MIN_SHARE * type_items)
