"""Finds items that show one picture: the same file, or resized, compressed, cropped a little or mirrored.

Three filters follow each other, each finer and more expensive than the last: the nearest layouts of each image (and of
its mirror image); the distance of two layouts when one is moved and stretched a little; the details of the two images,
aligned. A model's vectors are no such filter: the model was trained to see two shirts as alike.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import faiss
import numpy as np
import pandas as pd
import pyarrow as pa
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from tagger.errors import ImageError
from tagger.images.stores import ImageStore, fetch_all
from tagger.imaging.alignment import Likeness, likeness
from tagger.imaging.decode import decode_resized
from tagger.imaging.layout import compared_frequencies, contrasts, distances, mirrored
from tagger.schemas.documents.bundle import Preprocessing
from tagger.schemas.tables.duplicate import DUPLICATE, DUPLICATE_PAIR, Sameness
from tagger.similarity.index import VectorIndex

NEIGHBOURS = 20
QUERY_BATCH = 4096
"""Images in one batch of queries."""
MAX_DISTANCE = 0.1
_MAX_PLAIN_DISTANCE = 0.4  # before alignment: twice the distance that cropping by 3% makes
_EXACT = 100_000
_LISTS_PER_ROOT, _TRAINED_ON, _PROBES = 4, 50, 16
_PAIR_BATCH = 256
_SIZE = Preprocessing(height=128, width=96, fit="stretch", resize="bicubic")


@dataclass(frozen=True)
class DistinctImages:
    """The M distinct images of an index, and the items that have them."""

    positions: np.ndarray
    """The first item of each image, by its position in the index, int64 [M]."""
    image_of: np.ndarray
    """The image, 0 to M - 1, of the item at each position, int64 [N]; -1 for replaced items."""


@dataclass(frozen=True)
class ComparedPairs:
    """A batch of compared pairs."""

    likenesses: list[Likeness | None]
    """One per pair; None where an image cannot be read."""
    unread: dict[int, str]
    """Numbers of the images that cannot be read, and why."""


class Layouts(Protocol):
    """The layouts of M distinct images."""

    def __len__(self) -> int: ...

    def take(self, images: np.ndarray) -> np.ndarray:
        """The layouts of images, int64 [N] from 0 to M - 1, as float16 [N, 216]."""
        ...


class IndexLayouts:
    """The layouts of items of an index, by their positions, int64 [M]."""

    def __init__(self, index: VectorIndex, positions: np.ndarray) -> None:
        self._index = index
        self._positions = positions

    def __len__(self) -> int:
        return len(self._positions)

    def take(self, images: np.ndarray) -> np.ndarray:
        """The layouts of images, int64 [N] from 0 to M - 1, as float16 [N, 216]."""
        return self._index.layouts(self._positions[images])


def distinct_images(index: VectorIndex) -> DistinctImages:
    """Find the distinct images of an index by their digests."""
    live = np.flatnonzero(index.is_live)
    digests = index.items["imageDigest"].take(live).to_pandas()
    codes, _ = pd.factorize(digests)
    image_of = np.full(len(index), -1, np.int64)
    image_of[live] = codes
    first = np.unique(codes, return_index=True)[1]
    return DistinctImages(live[first], image_of)


def candidate_pairs(layouts: Layouts) -> Iterator[pd.DataFrame]:
    """Stream pairs of distinct images whose layouts are alike: columns first, second, distance and mirrored.

    Each image, and its mirror image, is compared with its twenty nearest neighbours. A pair may come twice.
    """
    nearest = _build_index(layouts)
    for start in range(0, len(layouts), QUERY_BATCH):
        rows = np.arange(start, min(start + QUERY_BATCH, len(layouts)))
        plain = layouts.take(rows)
        for is_mirrored, queries in ((False, plain), (True, mirrored(plain))):
            squared, neighbours = nearest.search(compared_frequencies(queries), min(NEIGHBOURS + 1, len(layouts)))
            limit = (_MAX_PLAIN_DISTANCE * contrasts(queries))[:, None] ** 2
            row, column = np.nonzero((neighbours >= 0) & (neighbours != rows[:, None]) & (squared <= limit))
            others = neighbours[row, column]
            distance = distances(queries[row], layouts.take(others))
            near = distance <= MAX_DISTANCE
            yield pd.DataFrame(
                {
                    "first": np.minimum(rows[row], others)[near],
                    "second": np.maximum(rows[row], others)[near],
                    "distance": distance[near],
                    "mirrored": is_mirrored,
                }
            )


def nearest_of_each_pair(pieces: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Deduplicate pairs: keep the nearer of the plain and the mirrored one."""
    pairs = pd.concat(pieces, ignore_index=True).sort_values(["first", "second", "distance"], kind="stable")
    return pairs.drop_duplicates(["first", "second"]).reset_index(drop=True)


def compare_pairs(
    pairs: pd.DataFrame, refs: Sequence[str | None], store: ImageStore, max_pixels: int
) -> Iterator[ComparedPairs]:
    """Stream the likeness of the images of each pair, in batches.

    Args:
        pairs: The result of `nearest_of_each_pair`.
        refs: Reference of each image.
        store: Reads the images.
        max_pixels: Larger images are not decoded.
    """
    for start in range(0, len(pairs), _PAIR_BATCH):
        block = pairs.iloc[start : start + _PAIR_BATCH]
        images_needed = np.unique(block[["first", "second"]].to_numpy())
        fetched = fetch_all(store, [refs[n] for n in images_needed])
        images = {n: _decoded(data, max_pixels) for n, data in zip(images_needed.tolist(), fetched, strict=True)}
        read = {n: image for n, image in images.items() if not isinstance(image, ImageError)}
        columns = (block[name].tolist() for name in ("first", "second", "mirrored"))
        yield ComparedPairs(
            [_likeness(read.get(a), read.get(b), flipped) for a, b, flipped in zip(*columns, strict=True)],
            {n: str(image) for n, image in images.items() if isinstance(image, ImageError)},
        )


def group_items(index: VectorIndex, distinct: DistinctImages, pairs: pd.DataFrame) -> pa.Table:
    """The groups of two and more items that show one picture, by DUPLICATE.

    Groups are the connected components of the pairs. The largest group comes first. Its first item is its
    representative: an item with the image that has the most pairs, a labelled one before others.

    Args:
        index: The items.
        distinct: Their distinct images.
        pairs: Pairs of images that count as one picture.
    """
    count = len(distinct.positions)
    links = (np.ones(len(pairs), np.int64), (pairs["first"].to_numpy(), pairs["second"].to_numpy()))
    component = connected_components(coo_matrix(links, shape=(count, count)), directed=False)[1]
    positions = np.flatnonzero(distinct.image_of >= 0)
    image = distinct.image_of[positions]
    group = component[image]
    sizes = np.bincount(group, minlength=count)
    is_shared = sizes[group] > 1
    positions, image, group = positions[is_shared], image[is_shared], group[is_shared]
    items = index.items.take(pa.array(positions)).to_pandas()
    degree = np.bincount(pairs[["first", "second"]].to_numpy().ravel(), minlength=count)
    frame = items.assign(
        image=image, component=group, size=sizes[group], unlabelled=~items["labelled"], links=-degree[image]
    ).sort_values(["size", "component", "links", "unlabelled", "id"], ascending=[False, True, True, True, True])
    representative = frame.groupby("component", sort=False)["image"].transform("first")
    sameness = _links_between(pairs, frame["image"].to_numpy(), representative.to_numpy())
    frame["sameness"] = np.where(frame["image"] == representative, str(Sameness.EXACT), sameness)
    frame.loc[~frame.duplicated("component"), "sameness"] = str(Sameness.REPRESENTATIVE)
    frame["group"] = pd.factorize(frame["component"])[0]
    labels = frame["masterCategory"].str.cat(frame["articleType"], sep=" / ").where(frame["labelled"])
    frame["conflict"] = labels.groupby(frame["group"]).transform("nunique") > 1
    return pa.Table.from_pandas(frame[DUPLICATE.names], DUPLICATE, preserve_index=False)


def pair_table(index: VectorIndex, distinct: DistinctImages, pairs: pd.DataFrame) -> pa.Table:
    """The compared pairs, by DUPLICATE_PAIR, the most alike first.

    Args:
        index: The items.
        distinct: Their distinct images.
        pairs: first, second, distance, mirrored, structure, colour, same and judged.
    """
    pairs = pairs.sort_values(["same", "structure"], ascending=False, kind="stable")
    ids = index.items["id"]
    columns: dict[str, object] = {
        name: ids.take(pa.array(distinct.positions[pairs[name]])) for name in ("first", "second")
    }
    columns |= {
        name: pa.array(pairs[name].to_numpy(), DUPLICATE_PAIR.field(name).type, from_pandas=True)
        for name in ("distance", "mirrored", "structure", "colour", "same", "judged")
    }
    return pa.table(columns, schema=DUPLICATE_PAIR)


def _links_between(pairs: pd.DataFrame, images: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The link between each image and the representative's, [N]: near, mirrored, or connected through others only."""
    columns = (pairs[name].tolist() for name in ("first", "second", "mirrored"))
    is_mirrored: dict[tuple[int, int], bool] = {(a, b): flipped for a, b, flipped in zip(*columns, strict=True)}
    links = [is_mirrored.get((min(a, b), max(a, b))) for a, b in zip(images.tolist(), others.tolist(), strict=True)]
    names = {None: Sameness.CONNECTED, True: Sameness.MIRRORED, False: Sameness.NEAR}
    return np.array([str(names[link]) for link in links], object)


def _build_index(layouts: Layouts) -> faiss.Index:
    """Build a faiss index of layouts: exhaustive, or an inverted file where there are many."""
    width = compared_frequencies(layouts.take(np.zeros(1, np.int64))).shape[1]
    if len(layouts) <= _EXACT:
        index: faiss.Index = faiss.IndexFlatL2(width)
    else:
        lists = int(_LISTS_PER_ROOT * len(layouts) ** 0.5)
        index = faiss.IndexIVFScalarQuantizer(
            faiss.IndexFlatL2(width), width, lists, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_L2, False
        )
        index.nprobe = _PROBES
        sample = np.random.default_rng(0).permutation(len(layouts))[: _TRAINED_ON * lists]
        index.train(compared_frequencies(layouts.take(np.sort(sample))))
    for start in range(0, len(layouts), QUERY_BATCH):
        index.add(compared_frequencies(layouts.take(np.arange(start, min(start + QUERY_BATCH, len(layouts))))))
    return index


def _decoded(data: bytes | ImageError, max_pixels: int) -> np.ndarray | ImageError:
    if isinstance(data, ImageError):
        return data
    try:
        return decode_resized(data, _SIZE, max_pixels)
    except ImageError as error:
        return error


def _likeness(first: np.ndarray | None, second: np.ndarray | None, is_mirrored: bool) -> Likeness | None:
    if first is None or second is None:
        return None
    return likeness(first, np.ascontiguousarray(second[:, ::-1]) if is_mirrored else second)
