"""A finished run, and an index with the vectors of its items and of labelled ones: each class lies in a cluster."""

from pathlib import Path

import numpy as np
import pandas as pd

from tests.indexes import made_index
from tests.tagger.review.learning.drawn import PAIRS, vectors_of
from tests.written_runs import write_run

ITEMS, LABELLED = 60, 400
_TRUTH = np.arange(ITEMS) % len(PAIRS)


def truth(item: str) -> tuple[str, str]:
    """The class that an item of the run really has; all are predicted as the first one."""
    return PAIRS[_TRUTH[int(item)]]


def write_vector_run(folder: Path) -> tuple[Path, Path]:
    """Write a run in whose queue all of its items are, and an index; return both."""
    rng = np.random.default_rng(0)
    run = write_run(folder / "shop", [(PAIRS[0], dict.fromkeys(PAIRS, 0.25))] * ITEMS, dict.fromkeys(PAIRS, 9))
    leaves = np.concatenate([_TRUTH, np.arange(LABELLED) % len(PAIRS)])
    ids = [*map(str, range(ITEMS)), *(f"known {n}" for n in range(LABELLED))]
    items = pd.DataFrame([PAIRS[leaf] for leaf in leaves], columns=["masterCategory", "articleType"])
    items = items.assign(id=ids, imageUri=f"{folder}/shop/images/0.jpg", imageDigest=ids)
    made_index(folder / "index", items, vectors_of(leaves, 0.4, rng))
    return run, folder / "index"
