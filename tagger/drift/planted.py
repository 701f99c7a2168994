"""Plants drift in a night that has none, to see what a check would notice at this size."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from tagger.drift.sample import Sample

_DOUBLED, _BLURRED, _UNKNOWN, _BATCH = 2, 0.2, 0.05, 0.5
_LEAST_OF_TYPE = 20


class Plant(StrEnum):
    """What is planted."""

    NOTHING = "nothing"
    DOUBLED = "doubled"
    BATCH = "batch"
    BLURRED = "blurred"
    UNKNOWN = "unknown"
    SWAPPED = "swapped"

    @property
    def words(self) -> str:
        """The plant in words."""
        return _WORDS[self]

    @property
    def is_harmless(self) -> bool:
        """Whether only the shares of types change, so that nothing should be held."""
        return self in (Plant.NOTHING, Plant.DOUBLED, Plant.BATCH)


_WORDS = {
    Plant.NOTHING: "nothing",
    Plant.DOUBLED: "one type twice as frequent",
    Plant.BATCH: "half of the night from two types",
    Plant.BLURRED: "a fifth of the pictures blurred",
    Plant.UNKNOWN: "a twentieth of a type that the model does not know",
    Plant.SWAPPED: "one type tagged as another",
}


@dataclass(frozen=True)
class Pool:
    """Items without drift, from which nights and references are drawn."""

    sample: Sample
    types: np.ndarray | None = None
    """True article types, object [N]; without, one is drawn for each item by its probabilities."""
    blurred: Sample | None = None
    """Some of the items with blurred pictures, by the same ids."""

    def plants(self) -> list[Plant]:
        """What can be planted."""
        return [plant for plant in Plant if plant is not Plant.BLURRED or self.blurred is not None]


def planted(plant: Plant, pool: Pool, items: int, rng: np.random.Generator) -> tuple[Sample, Sample]:
    """A night of so many items with a plant, and the other items of the pool, as its reference."""
    order = rng.permutation(len(pool.sample))
    sample = pool.sample.take(order)
    types = pool.types[order] if pool.types is not None else _drawn_types(sample, rng)
    if plant is Plant.NOTHING:
        return sample.take(np.arange(items)), sample.take(np.arange(items, len(sample)))
    make: Mapping[Plant, Callable[..., tuple[Sample, Sample]]] = {
        Plant.DOUBLED: _doubled, Plant.BATCH: _batch, Plant.UNKNOWN: _unknown, Plant.SWAPPED: _swapped,
    }  # fmt: skip
    if plant is Plant.BLURRED:
        return _blurred(sample, items, pool)
    return make[plant](sample, types, items, rng)


def _drawn_types(sample: Sample, rng: np.random.Generator) -> np.ndarray:
    """A type of each item, drawn by its probabilities, object [N]."""
    steps = np.cumsum(sample.probabilities, axis=1, dtype=np.float64)
    places = (rng.random(len(sample))[:, None] * steps[:, -1:] > steps).sum(axis=1)
    leaves = sample.leaves[np.arange(len(sample)), places]
    return np.array([leaf.partition("\0")[2] for leaf in leaves], object)


def _known(sample: Sample, types: np.ndarray) -> np.ndarray:
    """The types of items that the model knows, object [N]; empty for others, which no harmless night is full of."""
    known = [leaf.partition("\0")[2] for leaf in np.unique(sample.leaves.astype(str))]
    return np.where(np.isin(types.astype(str), known), types, "")


def _one_type(types: np.ndarray, least: int, rng: np.random.Generator) -> str:
    """A type with at least so many items, or the most frequent."""
    names, counts = np.unique(types[types != ""].astype(str), return_counts=True)
    return str(rng.choice(names[counts >= min(least, counts.max())]))


def _split(sample: Sample, first: np.ndarray) -> tuple[Sample, Sample]:
    rest = np.ones(len(sample), bool)
    rest[first] = False
    return sample.take(first), sample.take(rest)


def _with(sample: Sample, chosen: np.ndarray, items: int) -> tuple[Sample, Sample]:
    """A night with the chosen rows, filled up with others."""
    others = np.setdiff1d(np.arange(len(sample)), chosen, assume_unique=True)
    return _split(sample, np.concatenate([chosen[:items], others[: max(items - len(chosen), 0)]]))


def _doubled(sample: Sample, types: np.ndarray, items: int, rng: np.random.Generator) -> tuple[Sample, Sample]:
    name = _one_type(_known(sample, types), _LEAST_OF_TYPE * len(sample) // items, rng)
    rows = np.flatnonzero(types == name)
    wanted = round(_DOUBLED * items * len(rows) / len(sample))
    others = np.flatnonzero(types != name)[: max(items - wanted, 0)]
    return _split(sample, np.concatenate([rows[:wanted], others]))


def _batch(sample: Sample, types: np.ndarray, items: int, rng: np.random.Generator) -> tuple[Sample, Sample]:
    wanted = round(_BATCH * items)
    known = _known(sample, types)
    names, counts = np.unique(known[known != ""].astype(str), return_counts=True)
    usual = names[counts >= min(wanted, np.sort(counts)[-4])]  # most of them stay in the reference
    rows = np.flatnonzero(np.isin(types, rng.choice(usual, 2, replace=False)))
    return _with(sample, rows[: min(wanted, len(rows) // 2)], items)


def _blurred(sample: Sample, items: int, pool: Pool) -> tuple[Sample, Sample]:
    if pool.blurred is None:
        raise ValueError("the pool has no blurred pictures")
    night, reference = sample.take(np.arange(items)), sample.take(np.arange(items, len(sample)))
    at = {item: row for row, item in enumerate(pool.blurred.ids.tolist())}
    wanted = round(_BLURRED * items)
    have = [row for row, item in enumerate(night.ids.tolist()) if item in at][:wanted]
    if len(have) < wanted:  # others of the pool that have a blurred one take the places of some that have none
        spare = [row for row, item in enumerate(reference.ids.tolist()) if item in at][: wanted - len(have)]
        without = np.setdiff1d(np.arange(items), have)[: len(spare)]
        kept = np.setdiff1d(np.arange(items), without)
        night = Sample.joined([night.take(kept), reference.take(np.array(spare, int))])
        reference = reference.take(np.setdiff1d(np.arange(len(reference)), spare))
        have = [row for row, item in enumerate(night.ids.tolist()) if item in at][:wanted]
    copies = pool.blurred.take(np.array([at[night.ids[row]] for row in have], int))
    return Sample.joined([night.take(np.setdiff1d(np.arange(len(night)), have)), copies]), reference


def _unknown(sample: Sample, types: np.ndarray, items: int, rng: np.random.Generator) -> tuple[Sample, Sample]:
    wanted = round(_UNKNOWN * items)
    name = _one_type(types, wanted, rng)
    known, unknown = sample.take(types != name), sample.take(np.flatnonzero(types == name)[:wanted])
    known, unknown = without_type(known, name), without_type(unknown, name)
    night = Sample.joined([known.take(np.arange(items - len(unknown))), unknown])
    return night, known.take(np.arange(items - len(unknown), len(known)))


def without_type(sample: Sample, name: str) -> Sample:
    """What a model that does not have a type would say: its softmax without the type's leaves."""
    removed = np.array([[leaf.partition("\0")[2] == name for leaf in row] for row in sample.leaves], bool)
    left = np.where(removed, 0, sample.probabilities).astype(np.float64)
    mass = np.maximum(left.sum(axis=1), 1 - np.where(removed, sample.probabilities, 0).sum(axis=1, dtype=np.float64))
    left /= np.maximum(mass, np.finfo(np.float32).tiny)[:, None]
    left[left.sum(axis=1) == 0, 0] = 1  # it said nothing else
    order = np.argsort(-left, axis=1, kind="stable")
    leaves, left = np.take_along_axis(sample.leaves, order, 1), np.take_along_axis(left, order, 1)
    kinds = np.array([[leaf.partition("\0")[2] for leaf in row] for row in leaves], object)
    confidence = np.where(kinds == kinds[:, :1], left, 0).sum(axis=1)
    return replace(
        sample, leaves=leaves, probabilities=left.astype(np.float32), types=kinds[:, 0],
        confidence=confidence.astype(np.float32),
    )  # fmt: skip


def _swapped(sample: Sample, types: np.ndarray, items: int, rng: np.random.Generator) -> tuple[Sample, Sample]:
    """Items of one type get the name of the one that they are most often taken for."""
    night, reference = sample.take(np.arange(items)), sample.take(np.arange(items, len(sample)))
    name = _one_type(sample.types, _LEAST_OF_TYPE * len(sample) // items, rng)
    rows = np.flatnonzero(night.types == name)
    others = [leaf for leaf in sample.leaves[sample.types == name].ravel() if leaf.partition("\0")[2] not in ("", name)]
    names, counts = np.unique(np.array(others, str), return_counts=True)
    other = str(names[counts.argmax()])
    leaves, kinds = night.leaves.copy(), night.types.copy()
    own = leaves[rows[0], 0] if len(rows) else other
    swapped = {own: other, other: own}
    leaves[rows] = [[swapped.get(leaf, leaf) for leaf in row] for row in leaves[rows]]
    kinds[rows] = other.partition("\0")[2]
    return replace(night, leaves=leaves, types=kinds), reference
