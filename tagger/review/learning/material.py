"""What a refit and a propagation learn from: labelled, answered and waiting items, as arrays."""

from dataclasses import dataclass

import numpy as np

NO_LEAF = -1
"""The leaf of an item that has none: its image is unusable, or only its master category was decided."""


@dataclass(frozen=True)
class Labelled:
    """Items of the catalogue with their labels, such as those of an index."""

    vectors: np.ndarray
    """float [M, D], of length 1, by the model that made those of the other items."""
    leaves: np.ndarray
    """Indices into the taxonomy's leaves, int [M]."""

    def __post_init__(self) -> None:
        _check(self.vectors, leaves=self.leaves)
        if len(self.leaves) and self.leaves.min() < 0:
            raise ValueError("a labelled item needs a leaf")


@dataclass(frozen=True)
class Answered:
    """Items of the queue that a person has decided."""

    vectors: np.ndarray
    """float [A, D], of length 1."""
    probabilities: np.ndarray
    """By the bundle, [A, L]; see `expand_top_k` for what a run stores."""
    leaves: np.ndarray
    """What the person decided, int [A]; NO_LEAF where the item has none, for which every tag is wrong."""
    drawn: np.ndarray
    """Whether the item was drawn at random from those that may leave, bool [A]; see `Refits.unsure` of the
    review's store."""

    def __post_init__(self) -> None:
        _check(self.vectors, probabilities=self.probabilities, leaves=self.leaves, drawn=self.drawn)
        if len(self.leaves) and self.leaves.min() < NO_LEAF:
            raise ValueError(f"a leaf is an index, or {NO_LEAF} for none")


@dataclass(frozen=True)
class Waiting:
    """Items of the queue that no person has decided, with those that an earlier refit has accepted."""

    ids: tuple[str, ...]
    vectors: np.ndarray
    """float [N, D], of length 1."""
    probabilities: np.ndarray
    """By the bundle, [N, L]."""
    may_leave: np.ndarray
    """Whether low confidence is the only reason why the item waits, bool [N]; others, such as blurry ones, stay."""

    def __post_init__(self) -> None:
        _check(self.vectors, ids=self.ids, probabilities=self.probabilities, may_leave=self.may_leave)


def check_sizes(labelled: Labelled, answered: Answered, waiting: Waiting, leaves: int) -> None:
    """Check that all items have vectors of one dimension, and that leaves are those of one taxonomy.

    Args:
        labelled: May be without items, of any dimension then.
        answered: The answers.
        waiting: The queue.
        leaves: Number of leaves of the taxonomy, L.

    Raises:
        ValueError: when they do not fit together.
    """
    dimensions = {part.vectors.shape[1] for part in (labelled, answered, waiting) if len(part.vectors)}
    if len(dimensions) > 1:
        raise ValueError(f"vectors of different models: dimensions {sorted(dimensions)}")
    for part in (answered, waiting):
        if part.probabilities.shape[1] != leaves:
            raise ValueError(f"probabilities of {part.probabilities.shape[1]} leaves, a taxonomy of {leaves}")
    for codes in (labelled.leaves, answered.leaves):
        if len(codes) and codes.max() >= leaves:
            raise ValueError(f"leaf {codes.max()} of a taxonomy of {leaves}")


def _check(vectors: np.ndarray, **others: np.ndarray | tuple[str, ...]) -> None:
    """Raise ValueError unless vectors are a finite matrix [N, D], and all the others have N rows."""
    if vectors.ndim != 2 or not np.isfinite(vectors).all():
        raise ValueError("vectors are a matrix of finite numbers, a row an item")
    for name, values in others.items():
        if len(values) != len(vectors):
            raise ValueError(f"{len(values)} {name} of {len(vectors)} vectors")
