"""A perceptual descriptor, the coarse layout of brightness and colour, which copies of an image share."""

import cv2
import numpy as np

_SIDE = 32
_LUMA, _CHROMA = 12, 6
_MAX_STEP = 0.045
_STIFFNESS = 1.0
_MIN_CONTRAST = 1e-3
_BATCH = 1024
_COSINES = cv2.dct(np.eye(_SIDE, dtype=np.float32), flags=cv2.DCT_ROWS).T[:_LUMA]
"""The lowest frequencies of a row of pixels, [12, 32]."""
_SELECTED = np.zeros((3, _LUMA, _LUMA), bool)
_SELECTED[0], _SELECTED[1:, :_CHROMA, :_CHROMA] = True, True
_ODD_COLUMNS = np.broadcast_to(np.arange(_LUMA) % 2 == 1, _SELECTED.shape)[_SELECTED]
_MEANS = np.zeros_like(_SELECTED)
_MEANS[:, 0, 0] = True
_COMPARED = np.zeros_like(_SELECTED)
_COMPARED[0, :8, :8], _COMPARED[1:, :4, :4] = True, True
_COMPARED, _VARYING = _COMPARED[_SELECTED], (_COMPARED & ~_MEANS)[_SELECTED]

LAYOUT_SIZE = int(_SELECTED.sum())


def layouts(images: np.ndarray) -> np.ndarray:
    """The lowest DCT frequencies of images at 32 × 32: 12 × 12 of brightness, 6 × 6 of each of two colours.

    Source: the colour layout descriptor of MPEG-7 (Kasutani and Yamada 2001), with more frequencies, not quantised.

    Args:
        images: uint8 [N, H, W, 3].

    Returns:
        float16 [N, 216]; their root mean square is in grey levels.
    """
    small = np.empty((len(images), _SIDE, _SIDE, 3), np.float32)
    for n, rgb in enumerate(images):
        shrunk = cv2.resize(np.ascontiguousarray(rgb), (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
        small[n] = cv2.cvtColor(shrunk, cv2.COLOR_RGB2YCrCb)
    planes = small.transpose(0, 3, 1, 2) / _SIDE
    return np.asarray((_COSINES @ planes @ _COSINES.T)[:, _SELECTED], np.float16)


def mirrored(descriptors: np.ndarray) -> np.ndarray:
    """The layouts of the mirror images, [N, 216]: odd horizontal frequencies change their sign."""
    return np.where(_ODD_COLUMNS, -descriptors, descriptors)


def compared_frequencies(descriptors: np.ndarray) -> np.ndarray:
    """The part of layouts [N, 216] that is compared, float32 [N, 96]: 8 × 8 and twice 4 × 4 frequencies."""
    return np.ascontiguousarray(descriptors[:, _COMPARED], np.float32)


def distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The distances of image pairs after small shifts and stretches of one image, as a share of their contrast.

    The distance is 0 for the same image, a few hundredths for one that was resized, compressed or cropped by 3%.

    Source: the tangent distance of Simard et al. 1993, "Efficient pattern recognition using a new transformation
    distance", for shifts and stretches along both axes.

    Args:
        first: Layouts [N, 216].
        second: Layouts [N, 216].

    Returns:
        float32 [N].
    """
    differences = np.empty(len(first), np.float32)
    for start in range(0, len(first), _BATCH):
        part = slice(start, start + _BATCH)
        one, other = first[part].astype(np.float32), second[part].astype(np.float32)
        residual = np.minimum(_tangent_residual(one, other), _tangent_residual(other, one))
        differences[part] = residual / np.minimum(contrasts(one), contrasts(other))
    return differences


def contrasts(descriptors: np.ndarray) -> np.ndarray:
    """The contrast of images by their layouts [N, 216], in grey levels, float32 [N]; compared frequencies only."""
    varying = descriptors[:, _VARYING].astype(np.float32)
    return np.asarray(np.maximum(np.linalg.norm(varying, axis=1), _MIN_CONTRAST), np.float32)


def _tangent_residual(moving: np.ndarray, fixed: np.ndarray) -> np.ndarray:
    """The residual, [N], of layouts float32 [N, 216] after the first is shifted and stretched to fit the second."""
    tangents = _tangents(moving)[:, :, _COMPARED]
    residual = (fixed - moving)[:, _COMPARED]
    products = tangents @ tangents.transpose(0, 2, 1) + _STIFFNESS * np.eye(tangents.shape[1], dtype=np.float32)
    steps = np.linalg.solve(products, tangents @ residual[:, :, None])[:, :, 0]
    steps = np.clip(steps, -_MAX_STEP, _MAX_STEP)
    return np.asarray(np.linalg.norm(residual - (steps[:, None] @ tangents)[:, 0], axis=1))


def _tangents(descriptors: np.ndarray) -> np.ndarray:
    """Derivatives of layouts [N, 216] with respect to shifts and stretches along both axes, [N, 4, 216]."""
    planes = np.zeros((len(descriptors), *_SELECTED.shape), np.float32)
    planes[:, _SELECTED] = descriptors
    image = _COSINES.T @ planes @ _COSINES
    down, right = np.gradient(image, 1 / _SIDE, axis=(2, 3))
    coordinate = ((np.arange(_SIDE) + 0.5) / _SIDE - 0.5).astype(np.float32)
    moved = np.stack([right, down, right * coordinate, down * coordinate[:, None]], axis=1)
    return np.asarray((_COSINES @ moved @ _COSINES.T)[:, :, _SELECTED])
