"""Edge maps: a fourth channel for blurry images, whose colour and texture are little help."""

import cv2
import numpy as np

from tagger.imaging.quality import blur_score
from tagger.schemas.documents.bundle import Preprocessing


def edge_map(rgb: np.ndarray) -> np.ndarray:
    """The edges of an image uint8 [H, W, 3] as uint8 [H, W]: 255 on an edge, else 0.

    Canny's detector (Canny 1986). Its upper threshold is Otsu's threshold of the grey image, the lower one half of it,
    after Fang et al. 2009, "The study on an application of Otsu method in Canny operator".
    """
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    upper, _ = cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    return np.asarray(cv2.Canny(grey, upper / 2, upper), np.uint8)


def with_edges(rgb: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """Add the edge channel where the model has one: uint8 [H, W, 3] or [H, W, 4].

    Args:
        rgb: uint8 [H, W, 3], at model size, padded.
        preprocessing: Says which images get edges.
    """
    if preprocessing.edges == "none":
        return rgb
    if preprocessing.edges == "blurry" and blur_score(rgb) >= preprocessing.edges_below:
        return np.dstack([rgb, np.zeros(rgb.shape[:2], np.uint8)])
    return np.dstack([rgb, edge_map(rgb)])


def all_with_edges(images: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """Apply `with_edges` to every image, uint8 [N, H, W, 3]."""
    if preprocessing.edges == "none":
        return images
    return np.stack([with_edges(image, preprocessing) for image in images])
