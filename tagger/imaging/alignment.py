"""Compares two images after alignment, to decide whether they are the same picture."""

from dataclasses import dataclass

import cv2
import numpy as np

_STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 60, 1e-4)
_SMOOTHED = 5
_NOISE, _WINDOW, _COARSE = 0.8, 2.0, 3.0  # standard deviations of Gaussians, pixels
_FAINT = 30.0  # variance in a window, grey levels squared
_WHITE, _ON_WHITE = 255.0, 20.0
_MARGIN = 6
_FEW = 30
_WORST_STRUCTURE, _WORST_COLOUR = 10, 95  # percentiles


@dataclass(frozen=True)
class Likeness:
    """The similarity of two images, measured in their least similar parts."""

    structure: float
    """SSIM's structure term, 10th percentile over windows with content: 1 for one picture, 0 for unrelated pictures."""
    colour: float
    """Difference in L, a or b (0 to 255), whichever is largest, after a blur: 95th percentile over the object."""


def likeness(first: np.ndarray, second: np.ndarray) -> Likeness:
    """Align the second image with the first, and measure their similarity.

    Sources: alignment by Evangelidis and Psarakis 2008, "Parametric image alignment using enhanced correlation
    coefficient maximization", with affine motion; structure is the second factor of Wang et al. 2004, "Image quality
    assessment: from error visibility to structural similarity".

    Args:
        first: uint8 [H, W, 3], about 100 pixels wide.
        second: uint8 [H, W, 3], of the same size.
    """
    aligned = _aligned(first, second)
    inside = slice(_MARGIN, -_MARGIN)
    one, other = (_blurred(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), _NOISE) for image in (first, aligned))
    mean, other_mean = _blurred(one, _WINDOW), _blurred(other, _WINDOW)
    variance = _blurred(one * one, _WINDOW) - mean * mean
    variance += _blurred(other * other, _WINDOW) - other_mean * other_mean
    shared = _blurred(one * other, _WINDOW) - mean * other_mean
    structure = ((2 * shared + _FAINT) / (variance + _FAINT))[inside, inside]
    has_content = _or_all((variance > _FAINT)[inside, inside])
    coarse = [_blurred(cv2.cvtColor(image, cv2.COLOR_RGB2LAB), _COARSE) for image in (first, aligned)]
    colour = np.abs(coarse[0] - coarse[1]).max(axis=2)[inside, inside]
    is_object = _or_all(np.maximum(*(_from_white(image) for image in (first, aligned)))[inside, inside] > _ON_WHITE)
    return Likeness(
        float(np.percentile(structure[has_content], _WORST_STRUCTURE)),
        float(np.percentile(colour[is_object], _WORST_COLOUR)),
    )


def _aligned(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    motion = np.eye(2, 3, dtype=np.float32)
    one, other = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (first, second))
    try:
        cv2.findTransformECC(one, other, motion, cv2.MOTION_AFFINE, _STOP, np.empty(0, np.uint8), _SMOOTHED)
    except cv2.error:  # no convergence: different pictures, or an empty one
        motion = np.eye(2, 3, dtype=np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (first.shape[1], first.shape[0])
    return np.asarray(cv2.warpAffine(second, motion, size, flags=flags, borderMode=cv2.BORDER_REPLICATE))


def _blurred(image: np.ndarray, sigma: float) -> np.ndarray:
    return np.asarray(cv2.GaussianBlur(np.asarray(image, np.float32), (0, 0), sigma))


def _from_white(image: np.ndarray) -> np.ndarray:
    return _blurred(np.asarray((_WHITE - image).max(axis=2)), _WINDOW)


def _or_all(chosen: np.ndarray) -> np.ndarray:
    """The chosen pixels, or all pixels when fewer than thirty are chosen."""
    return chosen if chosen.sum() >= _FEW else np.ones_like(chosen)
