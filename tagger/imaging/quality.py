"""How blurry an image is."""

from collections.abc import Sequence

import cv2
import numpy as np


def blur_score(rgb: np.ndarray) -> float:
    """Return the variance of the Laplacian of the grey image; lower is blurrier.

    Source: Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield microscopy". The score grows with contrast and
    shrinks as an image is enlarged, so compare only images of one size.

    Args:
        rgb: uint8 [H, W, 3].
    """
    laplacian = cv2.Laplacian(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.CV_16S)  # exact: values within ±1,020
    mean = cv2.sumElems(laplacian)[0] / laplacian.size
    return float(cv2.norm(laplacian, cv2.NORM_L2SQR) / laplacian.size - mean**2)  # half the time of cv2.meanStdDev


def blur_threshold(scores: Sequence[float] | np.ndarray) -> float:
    """Return the score below which an image is an outlier in its catalogue: Tukey's far-out fence of log scores.

    Args:
        scores: Blur scores of the catalogue's images, at one size.
    """
    logs = np.log(np.maximum(np.asarray(scores, np.float64), 1e-3))
    low, high = np.percentile(logs, [25, 75])
    return float(np.exp(low - 3 * (high - low)))
