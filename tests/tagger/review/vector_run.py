"""A finished run, and an index with the vectors of its items and of labelled ones: each class lies in a cluster."""

from pathlib import Path

import numpy as np
import pandas as pd

from tests.indexes import made_index
from tests.tagger.review.learning.drawn import PAIRS, vectors_of
from tests.written_runs import write_run

LABELLED = 400


def truth(item: str) -> tuple[str, str]:
    """The class that an item of the run really has; all are predicted as the first one."""
    return PAIRS[int(item) % len(PAIRS)]


def write_vector_run(folder: Path, items: int = 60) -> tuple[Path, Path]:
    """Write a run in whose queue all of its items are, and an index; return both."""
    rng = np.random.default_rng(0)
    run = write_run(folder / "shop", [(PAIRS[0], dict.fromkeys(PAIRS, 0.25))] * items, dict.fromkeys(PAIRS, 9))
    leaves = np.concatenate([np.arange(items) % len(PAIRS), np.arange(LABELLED) % len(PAIRS)])
    ids = [*map(str, range(items)), *(f"known {n}" for n in range(LABELLED))]
    named = pd.DataFrame([PAIRS[leaf] for leaf in leaves], columns=["masterCategory", "articleType"])
    named = named.assign(id=ids, imageUri=f"{folder}/shop/images/0.jpg", imageDigest=ids)
    made_index(folder / "index", named, vectors_of(leaves, 0.4, rng))
    return run, folder / "index"
