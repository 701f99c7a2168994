"""Altered copies of an index's images, planted among them to measure how many are found."""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd
from PIL import Image, ImageOps

from tagger.deduplication.groups import Layouts
from tagger.errors import ImageError
from tagger.flow.hash_order import hash_order
from tagger.images.stores import ImageStore, OrderedStore, fetch_all
from tagger.imaging.decode import decode, decode_whole
from tagger.imaging.layout import LAYOUT_SIZE, layouts
from tagger.manifest.batch import Batch
from tagger.schemas.documents.bundle import Preprocessing

_RESIZED_TO, _CROPPED_BY = 0.6, 0.03
_QUALITY, _LOW_QUALITY = 90, 50
_STRUCTURES = (0.7, 0.75, 0.8, 0.85, 0.9, 0.95)


class Kind(StrEnum):
    """How a planted copy differs from its origin."""

    RESIZED = "resized"
    RECOMPRESSED = "recompressed"
    CROPPED = "cropped"
    MIRRORED = "mirrored"


@dataclass(frozen=True)
class Copies:
    """P copies of some of M images; the copies are images M to M + P - 1."""

    images: int
    """M."""
    origins: np.ndarray
    """The image that each copy was made of, int64 [P]."""
    kinds: np.ndarray
    """Kind of each copy, object [P]."""
    files: tuple[bytes, ...]
    """P JPEG files."""

    @property
    def refs(self) -> list[str]:
        """A reference for each copy, by which PlantedImages finds it."""
        return [f"planted:{number}" for number in range(len(self.files))]

    def involved_in(self, pairs: pd.DataFrame) -> np.ndarray:
        """Which pairs have a copy or the origin of one, bool [N]: those that `judged_pairs` needs."""
        images = np.concatenate([np.unique(self.origins), self.images + np.arange(len(self.files))])
        return pairs[["first", "second"]].isin(images).any(axis=1).to_numpy()


def sample_images(ids: Sequence[str], size: int, seed: int) -> np.ndarray:
    """Sample images to copy by the ids of their items, int64 [size], or fewer where there are fewer."""
    return np.sort(np.argsort(hash_order([f"plant {item}" for item in ids], seed), kind="stable")[:size])


def make_copies(
    chosen: np.ndarray, refs: Sequence[str | None], store: ImageStore, max_pixels: int, seed: int
) -> Copies:
    """Alter each image in every way; images that cannot be read have no copies.

    Args:
        chosen: Images to copy, int64 [N].
        refs: References of the M images.
        store: Reads the images.
        max_pixels: Larger images are not decoded.
        seed: Seed of the offsets at which images are cropped.
    """
    rng = np.random.default_rng(seed)
    origins: list[int] = []
    kinds: list[Kind] = []
    files: list[bytes] = []
    for image_row, data in zip(chosen.tolist(), fetch_all(store, [refs[n] for n in chosen]), strict=True):
        try:
            if isinstance(data, ImageError):
                raise data
            image = Image.fromarray(decode_whole(data, max_pixels))
        except ImageError:
            continue
        for kind, alter in _ALTERATIONS.items():
            origins.append(image_row)
            kinds.append(kind)
            files.append(alter(image, rng))
    return Copies(len(refs), np.array(origins, np.int64), np.array(kinds, object), tuple(files))


class PlantedLayouts:
    """The layouts of images, followed by those of copies, which are computed as in the tag job.

    Args:
        originals: The layouts of the images.
        copies: The copies.
        preprocessing: That of the bundle that the index was made with.
        max_pixels: Larger images are not decoded.
    """

    def __init__(self, originals: Layouts, copies: Copies, preprocessing: Preprocessing, max_pixels: int) -> None:
        self._originals = originals
        self._copies = np.zeros((len(copies.files), LAYOUT_SIZE), np.float16)
        for n, file in enumerate(copies.files):
            self._copies[n] = layouts(decode(file, preprocessing, max_pixels).pixels[None, ..., :3])[0]

    def __len__(self) -> int:
        return len(self._originals) + len(self._copies)

    def take(self, images: np.ndarray) -> np.ndarray:
        """The layouts of images and copies, int64 [N], as float16 [N, 216]."""
        descriptors = np.empty((len(images), LAYOUT_SIZE), np.float16)
        is_copy = images >= len(self._originals)
        descriptors[~is_copy] = self._originals.take(images[~is_copy])
        descriptors[is_copy] = self._copies[images[is_copy] - len(self._originals)]
        return descriptors


class PlantedImages:
    """An image store that serves copies from memory, and everything else from another store.

    Args:
        store: The store of the images.
        copies: Files of the copies by reference.
    """

    def __init__(self, store: ImageStore, copies: Mapping[str, bytes]) -> None:
        self.ordered_by_store = store.ordered_by_store
        self.locates_in_copies = store.locates_in_copies
        self._store = store
        self._copies = copies

    @property
    def row_count(self) -> int:
        """Number of rows of the store, if it knows where its images lie."""
        return self._store.row_count if isinstance(self._store, OrderedStore) else 0

    def positions(self, refs: Sequence[str | None]) -> np.ndarray:
        """The row of each reference in the store, int64 [N]; -1 for a copy, or if the store does not know."""
        return self._store.positions(refs) if isinstance(self._store, OrderedStore) else np.full(len(refs), -1)

    def locate(self, batch: Batch) -> list[str | None]:
        """References to the store's images; no row names a copy."""
        return self._store.locate(batch)

    def fetch(self, refs: Sequence[str]) -> Iterator[bytes | ImageError]:
        """Copies come from memory, everything else from the store."""
        originals = self._store.fetch([ref for ref in refs if ref not in self._copies])
        return (self._copies[ref] if ref in self._copies else next(originals) for ref in refs)


@dataclass(frozen=True)
class Counts:
    """How many copies were found, and how many pairs with copies are right."""

    copies: int
    found: int
    """Copies that count as one picture with their origin."""
    pairs: int
    """Pairs with a copy that count as one picture."""
    right: int
    """Those of them that are one picture."""

    @property
    def recall(self) -> float | None:
        """Share of the copies that were found; None without copies."""
        return self.found / self.copies if self.copies else None

    @property
    def precision(self) -> float | None:
        """Share of the pairs that are right; None without pairs."""
        return self.right / self.pairs if self.pairs else None


def judged_pairs(pairs: pd.DataFrame, copies: Copies) -> pd.DataFrame:
    """The pairs with a copy, with the columns is_origin (a copy and its origin) and right (both show one picture).

    A pair is right when both images have the same origin, or when their origins count as one picture themselves. An
    image of the index is its own origin here.

    Args:
        pairs: first and second (images, the smaller first) and same.
        copies: The copies.
    """
    origins = np.concatenate([np.arange(copies.images), copies.origins])
    first, second = pairs["first"].to_numpy(), pairs["second"].to_numpy()
    low, high = (pick(origins[first], origins[second]) for pick in (np.minimum, np.maximum))
    key = low * copies.images + high
    planted = second >= copies.images
    right = (low == high) | np.isin(key, key[~planted & pairs["same"].to_numpy(bool)])
    return pairs.assign(right=right, is_origin=first == origins[second])[planted]


def count_copies(judged: pd.DataFrame, copies: Copies, same: np.ndarray, kind: Kind | None = None) -> Counts:
    """Count the copies of one kind or of all kinds.

    Args:
        judged: The result of `judged_pairs`, N rows.
        copies: The copies.
        same: Which pairs count as one picture, bool [N].
        kind: The kind; None for all kinds.
    """
    chosen = np.concatenate([np.zeros(copies.images, bool), (copies.kinds == kind) | (kind is None)])
    first, second = chosen[judged["first"]], chosen[judged["second"]]
    pairs = same & (first | second)
    return Counts(
        copies=int(chosen.sum()),
        found=int((pairs & second & judged["is_origin"]).sum()),
        pairs=int(pairs.sum()),
        right=int((pairs & judged["right"]).sum()),
    )


@dataclass(frozen=True)
class Trial:
    """The recall of planted copies, and the precision of the pairs with copies."""

    origins: int
    """Images that were copied."""
    images: int
    """Images of the index."""
    kinds: dict[str, Counts]
    """Counts of each kind of copy and of `all`, at the configured structure and colour."""
    thresholds: dict[float, Counts]
    """Counts of all copies at other structures."""

    @classmethod
    def of(cls, judged: pd.DataFrame, copies: Copies, colour: float) -> "Trial":
        """Count the result of `judged_pairs`; `colour` is the largest colour difference within one picture."""
        same = judged["same"].to_numpy(bool)
        kinds = {str(kind): count_copies(judged, copies, same, kind) for kind in Kind}
        has_colour = (judged["colour"] <= colour).to_numpy(bool)
        thresholds = {
            structure: count_copies(judged, copies, has_colour & (judged["structure"] >= structure).to_numpy(bool))
            for structure in _STRUCTURES
        }
        return cls(
            len(np.unique(copies.origins)),
            copies.images,
            kinds | {"all": count_copies(judged, copies, same)},
            thresholds,
        )


def _resized(image: Image.Image, rng: np.random.Generator) -> bytes:
    width, height = (max(1, round(_RESIZED_TO * side)) for side in image.size)
    return _jpeg(image.resize((width, height), Image.Resampling.LANCZOS))


def _recompressed(image: Image.Image, rng: np.random.Generator) -> bytes:
    return _jpeg(image, _LOW_QUALITY)


def _cropped(image: Image.Image, rng: np.random.Generator) -> bytes:
    less = [round(_CROPPED_BY * side) for side in image.size]
    left, top = (int(rng.integers(pixels + 1)) for pixels in less)
    return _jpeg(image.crop((left, top, left + image.width - less[0], top + image.height - less[1])))


def _mirrored(image: Image.Image, rng: np.random.Generator) -> bytes:
    return _jpeg(ImageOps.mirror(image))


def _jpeg(image: Image.Image, quality: int = _QUALITY) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()


_ALTERATIONS: dict[Kind, Callable[[Image.Image, np.random.Generator], bytes]] = {
    Kind.RESIZED: _resized,
    Kind.RECOMPRESSED: _recompressed,
    Kind.CROPPED: _cropped,
    Kind.MIRRORED: _mirrored,
}
