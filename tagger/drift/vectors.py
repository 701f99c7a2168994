"""What image vectors show of a night: whether items look like others of their type, and like the nights before."""

from dataclasses import dataclass

import numpy as np

from tagger.drift.sample import Sample

MOST = 5000
"""Items of a side whose vectors are compared."""
_LEAST_OF_TYPE = 5
_FEATURES = 128
_PAIRS = 2000


@dataclass(frozen=True)
class VectorView:
    """The items with vectors of both sides, and what is compared of them."""

    night: Sample
    reference: Sample
    """The half of the reference that the centres of the types are not made of, so that it is as new as the night."""
    likeness: tuple[np.ndarray, np.ndarray]
    """Cosine of each item with its type's centre, float32 [N] and [M]; NaN where the type has no centre."""
    features: tuple[np.ndarray, np.ndarray]
    """Random Fourier features of the vectors, float32 [N, F] and [M, F]."""


def view_of(night: Sample, reference: Sample, rng: np.random.Generator) -> VectorView | None:
    """Compare vectors; None where one side has none."""
    night, reference = (sample.take(_has_vector(sample)) for sample in (night, reference))
    if not len(night) or not len(reference) or night.vectors.shape[1] != reference.vectors.shape[1]:
        return None
    night, reference = night.drawn(MOST), reference.drawn(2 * MOST)
    half = rng.permutation(len(reference)) < len(reference) // 2
    centres = _centres(reference.take(half))
    new = reference.take(~half)
    return VectorView(
        night, new, (_likeness(night, centres), _likeness(new, centres)), _features(night, new, rng)
    )  # fmt: skip


def _has_vector(sample: Sample) -> np.ndarray:
    if not sample.vectors.shape[1]:
        return np.zeros(len(sample), bool)
    return np.asarray(~np.isnan(sample.vectors[:, 0]))


def _centres(sample: Sample) -> dict[str, np.ndarray]:
    """Mean vectors of the predicted types, each of length 1."""
    centres = {}
    for name in np.unique(sample.types.astype(str)):
        of_type = sample.vectors[sample.types == name].astype(np.float32)
        if len(of_type) >= _LEAST_OF_TYPE:
            mean = of_type.mean(axis=0)
            centres[name] = mean / np.linalg.norm(mean)
    return centres


def _likeness(sample: Sample, centres: dict[str, np.ndarray]) -> np.ndarray:
    likeness = np.full(len(sample), np.nan, np.float32)
    for name, centre in centres.items():
        rows = np.flatnonzero(sample.types == name)
        likeness[rows] = sample.vectors[rows].astype(np.float32) @ centre
    return likeness


def _features(night: Sample, reference: Sample, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Features whose mean's distance is about the maximum mean discrepancy of a Gaussian kernel.

    Sources: Rahimi and Recht 2007; Gretton et al. 2012, with the median distance as the kernel's width.
    """
    of_night, of_reference = (sample.vectors.astype(np.float32) for sample in (night, reference))
    pairs = rng.integers(0, len(of_reference), (2, _PAIRS))
    width = float(np.median(np.linalg.norm(of_reference[pairs[0]] - of_reference[pairs[1]], axis=1))) or 1.0
    directions = rng.standard_normal((of_night.shape[1], _FEATURES)).astype(np.float32) / np.float32(width)
    phases = rng.uniform(0, 2 * np.pi, _FEATURES).astype(np.float32)
    scale = np.float32(np.sqrt(2 / _FEATURES))
    return tuple(scale * np.cos(vectors @ directions + phases) for vectors in (of_night, of_reference))  # type: ignore[return-value]
