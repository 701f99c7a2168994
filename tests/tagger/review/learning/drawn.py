"""Drawn queues: classes that lie apart in space, or do not."""

from dataclasses import replace

import numpy as np

from tagger.review.learning.material import Answered, Labelled, Waiting
from tagger.review.learning.refit import RefitRequest
from tagger.schemas.documents.taxonomy import Level, Taxonomy

PAIRS = [("Apparel", "Shirts"), ("Apparel", "Tops"), ("Footwear", "Heels"), ("Personal Care", "Perfume")]
TAXONOMY = Taxonomy.of(PAIRS, {})
TARGETS = dict.fromkeys(Level, 0.9)
DIMENSION = 32


def vectors_of(leaves: np.ndarray, spread: float, rng: np.random.Generator) -> np.ndarray:
    """Vectors of length 1 about a centre for each leaf, float32 [N, 32]; the spread is that of noise, in lengths."""
    noise = rng.normal(size=(len(leaves), DIMENSION)) * spread / np.sqrt(DIMENSION)
    vectors = np.eye(DIMENSION)[leaves] + noise
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def unsure(count: int) -> np.ndarray:
    """The bundle's probabilities where it does not know, float32 [N, 4]."""
    return np.full((count, len(PAIRS)), 1 / len(PAIRS), np.float32)


def queue(
    answers: int = 150, waiting: int = 300, labelled: int = 400, spread: float = 0.8, seed: int = 0
) -> tuple[RefitRequest, np.ndarray]:
    """A request whose answers were all drawn at random, and the true leaves of the waiting items, int [N]."""
    rng = np.random.default_rng(seed)
    truths = [rng.integers(0, len(PAIRS), count) for count in (labelled, answers, waiting)]
    vectors = [vectors_of(truth, spread, rng) for truth in truths]
    request = RefitRequest(
        TAXONOMY,
        Labelled(vectors[0], truths[0]),
        Answered(vectors[1], unsure(answers), truths[1], np.ones(answers, bool)),
        Waiting(tuple(f"w{n}" for n in range(waiting)), vectors[2], unsure(waiting), np.ones(waiting, bool)),
        TARGETS,
    )
    return request, truths[2]


def with_answers(request: RefitRequest, **changes: np.ndarray) -> RefitRequest:
    """The request with other columns of its answers."""
    return replace(request, answered=replace(request.answered, **changes))
