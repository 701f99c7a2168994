"""Measures how blurry and how bright an image is."""

from collections.abc import Sequence

import cv2
import numpy as np

_BLUR = 0.02
_FALSE_BLURRY = 0.05


def blur_score(rgb: np.ndarray) -> float:
    """The variance of the Laplacian of the grey image; lower is blurrier.

    Source: Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield microscopy". The score grows with contrast and
    shrinks as an image is enlarged, so compare only images of one size.

    Args:
        rgb: uint8 [H, W, 3].
    """
    laplacian = cv2.Laplacian(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.CV_16S)  # exact: values within ±1,020
    mean = cv2.sumElems(laplacian)[0] / laplacian.size
    return float(cv2.norm(laplacian, cv2.NORM_L2SQR) / laplacian.size - mean**2)  # half the time of cv2.meanStdDev


def brightness(rgb: np.ndarray) -> float:
    """The mean of the grey image, 0 (black) to 255 (white).

    Args:
        rgb: uint8 [H, W, 3].
    """
    return float(cv2.mean(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY))[0])


def blurred(rgb: np.ndarray) -> np.ndarray:
    """Blur an image uint8 [H, W, 3] as if out of focus: a Gaussian with a sigma of 2% of the longer side."""
    return np.asarray(cv2.GaussianBlur(rgb, (0, 0), _BLUR * max(rgb.shape[:2])), np.uint8)


def learn_blur_threshold(scores: Sequence[float] | np.ndarray, when_blurred: Sequence[float] | np.ndarray) -> float:
    """Find the score that best separates a catalogue's images from blurred copies of them.

    Among the thresholds that call at most 5% of the originals blurry, it has the largest difference between the share
    of copies and the share of originals below it (Youden's J). Plain images have low scores without being blurred, so
    some copies cannot be separated.

    Args:
        scores: Blur scores of the catalogue's images, [N], at one size.
        when_blurred: Blur scores of the same images after `blurred`, [N].
    """
    originals, copies = np.sort(np.asarray(scores, np.float64)), np.sort(np.asarray(when_blurred, np.float64))
    candidates = np.unique(copies)
    false_share = np.searchsorted(originals, candidates, side="right") / len(originals)
    true_share = np.arange(1, len(copies) + 1)[np.searchsorted(copies, candidates, side="right") - 1] / len(copies)
    allowed = false_share <= _FALSE_BLURRY
    if not allowed.any():
        return float(originals[0])
    best = np.where(allowed, true_share - false_share, -1.0).argmax()
    return float(np.nextafter(candidates[best], np.inf))  # images below the threshold are blurry
