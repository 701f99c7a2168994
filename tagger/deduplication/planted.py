"""Altered copies of an index's own images, planted among them to see how many of them are found."""

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
from tagger.images.stores import ImageStore, fetch_all
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
    """Copies of some of M images; their places follow those of the images."""

    own: int
    """M."""
    origins: np.ndarray
    """Place of the image that each is a copy of, int64 [P]."""
    kinds: np.ndarray
    """Kind of each, object [P]."""
    files: tuple[bytes, ...]
    """JPEG files, P."""

    @property
    def refs(self) -> list[str]:
        """A reference for each, by which PlantedImages finds it."""
        return [f"planted:{number}" for number in range(len(self.files))]

    def concern(self, pairs: pd.DataFrame) -> np.ndarray:
        """Pairs with a copy or an origin of one, bool [N]: those that `judged_pairs` looks at."""
        places = np.concatenate([np.unique(self.origins), self.own + np.arange(len(self.files))])
        return pairs[["first", "second"]].isin(places).any(axis=1).to_numpy()


def drawn(ids: Sequence[str], count: int, seed: int) -> np.ndarray:
    """Places of images to copy, drawn by the ids of their items, int64 [count], or fewer where there are fewer."""
    return np.sort(np.argsort(hash_order([f"plant {item}" for item in ids], seed), kind="stable")[:count])


def make_copies(
    places: np.ndarray, refs: Sequence[str | None], store: ImageStore, max_pixels: int, seed: int
) -> Copies:
    """Alter each image in every way; those that cannot be read have no copies.

    Args:
        places: Images to copy, int64 [N].
        refs: Where each of the M images is.
        store: Reads them.
        max_pixels: Larger ones are not decoded.
        seed: Of where the cropped ones are cut.
    """
    rng = np.random.default_rng(seed)
    origins: list[int] = []
    kinds: list[Kind] = []
    files: list[bytes] = []
    for place, data in zip(places.tolist(), fetch_all(store, [refs[n] for n in places]), strict=True):
        try:
            if isinstance(data, ImageError):
                raise data
            image = Image.fromarray(decode_whole(data, max_pixels))
        except ImageError:
            continue
        for kind, alter in _ALTERATIONS.items():
            origins.append(place)
            kinds.append(kind)
            files.append(alter(image, rng))
    return Copies(len(refs), np.array(origins, np.int64), np.array(kinds, object), tuple(files))


class PlantedLayouts:
    """The layouts of images, and after them those of copies, made as the tag job makes them.

    Args:
        own: Those of the images.
        copies: The copies.
        preprocessing: Of the bundle that the index was made with.
        max_pixels: Larger images are not decoded.
    """

    def __init__(self, own: Layouts, copies: Copies, preprocessing: Preprocessing, max_pixels: int) -> None:
        self._own = own
        self._copies = np.zeros((len(copies.files), LAYOUT_SIZE), np.float16)
        for number, file in enumerate(copies.files):
            self._copies[number] = layouts(decode(file, preprocessing, max_pixels).pixels[None, ..., :3])[0]

    def __len__(self) -> int:
        return len(self._own) + len(self._copies)

    def take(self, places: np.ndarray) -> np.ndarray:
        """The layouts at places int64 [N], float16 [N, 216]."""
        found = np.empty((len(places), LAYOUT_SIZE), np.float16)
        is_copy = places >= len(self._own)
        found[~is_copy] = self._own.take(places[~is_copy])
        found[is_copy] = self._copies[places[is_copy] - len(self._own)]
        return found


class PlantedImages:
    """An image store that has copies beside its own images.

    Args:
        own: Where the images are.
        copies: Files by reference.
    """

    def __init__(self, own: ImageStore, copies: Mapping[str, bytes]) -> None:
        self.ordered_by_store = own.ordered_by_store
        self._own = own
        self._copies = copies

    def locate(self, batch: Batch) -> list[str | None]:
        """References to the store's own images; no row names a copy."""
        return self._own.locate(batch)

    def fetch(self, refs: Sequence[str]) -> Iterator[bytes | ImageError]:
        """Copies come from memory, all else from the store."""
        own = self._own.fetch([ref for ref in refs if ref not in self._copies])
        return (self._copies[ref] if ref in self._copies else next(own) for ref in refs)


@dataclass(frozen=True)
class Counts:
    """What was found of some copies."""

    copies: int
    found: int
    """Copies that count as one picture with their origin."""
    pairs: int
    """Pairs with a copy that count as one picture."""
    right: int
    """Those of them that are."""

    @property
    def recall(self) -> float | None:
        """Share of the copies that was found; None without copies."""
        return self.found / self.copies if self.copies else None

    @property
    def precision(self) -> float | None:
        """Share of the pairs that is right; None without pairs."""
        return self.right / self.pairs if self.pairs else None


def judged_pairs(pairs: pd.DataFrame, copies: Copies) -> pd.DataFrame:
    """The pairs with a copy, with the columns is_origin (a copy and its origin) and right (both show one picture).

    A pair is right where both have one origin, or where their origins count as one picture by themselves. An image of
    the index is its own origin here.

    Args:
        pairs: first, second (places, the smaller first) and same.
        copies: The copies.
    """
    origins = np.concatenate([np.arange(copies.own), copies.origins])
    first, second = pairs["first"].to_numpy(), pairs["second"].to_numpy()
    low, high = (pick(origins[first], origins[second]) for pick in (np.minimum, np.maximum))
    key = low * copies.own + high
    planted = second >= copies.own
    right = (low == high) | np.isin(key, key[~planted & pairs["same"].to_numpy(bool)])
    return pairs.assign(right=right, is_origin=first == origins[second])[planted]


def count(judged: pd.DataFrame, copies: Copies, same: np.ndarray, kind: Kind | None = None) -> Counts:
    """Count the copies of a kind, or of all of them.

    Args:
        judged: What `judged_pairs` gives, N rows.
        copies: The copies.
        same: Pairs that count as one picture, bool [N].
        kind: The kind; None for all.
    """
    chosen = np.concatenate([np.zeros(copies.own, bool), (copies.kinds == kind) | (kind is None)])
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
    """How many planted copies are found, and how right the pairs with copies are."""

    origins: int
    """Images that were copied."""
    images: int
    """Images of the index."""
    kinds: dict[str, Counts]
    """Of each kind of copy and of `all`, at the structure and colour that were asked for."""
    thresholds: dict[float, Counts]
    """Of all copies at other structures."""

    @classmethod
    def of(cls, judged: pd.DataFrame, copies: Copies, colour: float) -> "Trial":
        """Count what `judged_pairs` gives; `colour` is the most that the colours of one picture may differ."""
        same = judged["same"].to_numpy(bool)
        kinds = {str(kind): count(judged, copies, same, kind) for kind in Kind}
        has_colour = (judged["colour"] <= colour).to_numpy(bool)
        thresholds = {
            structure: count(judged, copies, has_colour & (judged["structure"] >= structure).to_numpy(bool))
            for structure in _STRUCTURES
        }
        return cls(len(np.unique(copies.origins)), copies.own, kinds | {"all": count(judged, copies, same)}, thresholds)


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
