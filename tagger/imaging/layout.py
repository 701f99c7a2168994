"""What an image looks like from afar: where it is bright and of which colour, which copies of it have in common."""

import cv2
import numpy as np

_SIDE = 32
_LUMA, _CHROMA = 12, 6
_MOST_CROPPED = 0.045
_STIFFNESS = 1.0
_FAINTEST = 1e-3
_AT_ONCE = 1024
_COSINES = cv2.dct(np.eye(_SIDE, dtype=np.float32), flags=cv2.DCT_ROWS).T[:_LUMA]
"""The lowest frequencies of a row of pixels, [12, 32]."""
_KEPT = np.zeros((3, _LUMA, _LUMA), bool)
_KEPT[0], _KEPT[1:, :_CHROMA, :_CHROMA] = True, True
_ODD_COLUMNS = np.broadcast_to(np.arange(_LUMA) % 2 == 1, _KEPT.shape)[_KEPT]
_MEANS = np.zeros_like(_KEPT)
_MEANS[:, 0, 0] = True
_COMPARED = np.zeros_like(_KEPT)
_COMPARED[0, :8, :8], _COMPARED[1:, :4, :4] = True, True
_COMPARED, _VARYING = _COMPARED[_KEPT], (_COMPARED & ~_MEANS)[_KEPT]

LAYOUT_SIZE = int(_KEPT.sum())


def layouts(images: np.ndarray) -> np.ndarray:
    """Return the lowest frequencies of images at 32 × 32: 12 × 12 of brightness, 6 × 6 of each of two colours.

    Source: the colour layout descriptor of MPEG-7 (Kasutani and Yamada 2001), with more frequencies and not quantised.

    Args:
        images: uint8 [N, H, W, 3].

    Returns:
        float16 [N, 216]; their root mean square is in grey levels.
    """
    small = np.empty((len(images), _SIDE, _SIDE, 3), np.float32)
    for number, rgb in enumerate(images):
        shrunk = cv2.resize(np.ascontiguousarray(rgb), (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
        small[number] = cv2.cvtColor(shrunk, cv2.COLOR_RGB2YCrCb)
    planes = small.transpose(0, 3, 1, 2) / _SIDE
    return np.asarray((_COSINES @ planes @ _COSINES.T)[:, _KEPT], np.float16)


def mirrored(found: np.ndarray) -> np.ndarray:
    """The layouts [N, 216] of the mirror images: every other horizontal frequency changes its sign."""
    return np.where(_ODD_COLUMNS, -found, found)


def shortened(found: np.ndarray) -> np.ndarray:
    """The part of layouts [N, 216] that is compared, float32 [N, 96]: 8 × 8 and twice 4 × 4 frequencies."""
    return np.ascontiguousarray(found[:, _COMPARED], np.float32)


def distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """How much images differ once one of each pair is moved and stretched a little, as a share of their contrast.

    0 for the same image, some hundredths for one that was resized, compressed or cropped by 3 %.

    Source: the tangent distance of Simard et al. 1993, "Efficient pattern recognition using a new transformation
    distance", for shifts and stretches, each along both axes.

    Args:
        first: Layouts [N, 216].
        second: Layouts [N, 216].

    Returns:
        float32 [N].
    """
    found = np.empty(len(first), np.float32)
    for start in range(0, len(first), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        one, other = first[part].astype(np.float32), second[part].astype(np.float32)
        rest = np.minimum(_deformed(one, other), _deformed(other, one))
        found[part] = rest / np.minimum(contrasts(one), contrasts(other))
    return found


def contrasts(found: np.ndarray) -> np.ndarray:
    """How much images vary by their layouts [N, 216], in grey levels, float32 [N]; what is compared counts."""
    varying = found[:, _VARYING].astype(np.float32)
    return np.asarray(np.maximum(np.linalg.norm(varying, axis=1), _FAINTEST), np.float32)


def _deformed(moving: np.ndarray, fixed: np.ndarray) -> np.ndarray:
    """What is left of the difference of layouts float32 [N, 216] when the first is moved and stretched to fit."""
    tangents = _tangents(moving)[:, :, _COMPARED]
    rest = (fixed - moving)[:, _COMPARED]
    products = tangents @ tangents.transpose(0, 2, 1) + _STIFFNESS * np.eye(tangents.shape[1], dtype=np.float32)
    steps = np.linalg.solve(products, tangents @ rest[:, :, None])[:, :, 0]
    steps = np.clip(steps, -_MOST_CROPPED, _MOST_CROPPED)
    return np.asarray(np.linalg.norm(rest - (steps[:, None] @ tangents)[:, 0], axis=1))


def _tangents(found: np.ndarray) -> np.ndarray:
    """How layouts [N, 216] change as the image is shifted right and down, and stretched so: [N, 4, 216]."""
    planes = np.zeros((len(found), *_KEPT.shape), np.float32)
    planes[:, _KEPT] = found
    image = _COSINES.T @ planes @ _COSINES
    down, right = np.gradient(image, 1 / _SIDE, axis=(2, 3))
    place = ((np.arange(_SIDE) + 0.5) / _SIDE - 0.5).astype(np.float32)
    moved = np.stack([right, down, right * place, down * place[:, None]], axis=1)
    return np.asarray((_COSINES @ moved @ _COSINES.T)[:, :, _KEPT])
