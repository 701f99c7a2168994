"""Which items show one picture: exactly, or resized, compressed, cropped a little or mirrored.

Three sieves, each finer and dearer than the one before: the nearest layouts of each image (and of its mirror image),
the distance of the two layouts when one is moved and stretched a little, and the details of the two images themselves,
laid over each other. The vectors of a model are no sieve for it: it was trained to see two shirts as alike.
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
from tagger.imaging.layout import contrasts, distances, mirrored, shortened
from tagger.schemas.documents.bundle import Preprocessing
from tagger.schemas.tables.duplicate import DUPLICATE, DUPLICATE_PAIR, Sameness
from tagger.similarity.index import VectorIndex

NEIGHBOURS = 20
AT_ONCE = 4096
"""Images that are looked for together."""
MOST_DISTANT = 0.1
_MOST_APART = 0.4  # before one is moved and stretched: twice what cropping by 3 % does
_EXACT = 100_000
_LISTS_PER_ROOT, _TRAINED_ON, _PROBES = 4, 50, 16
_PAIRS_AT_ONCE = 256
_SIZE = Preprocessing(height=128, width=96, fit="stretch", resize="bicubic")


@dataclass(frozen=True)
class Pictures:
    """The distinct images of an index, and the items that have them."""

    items: np.ndarray
    """A number of an item for each image, int64 [M]: the first that has it."""
    of: np.ndarray
    """Image of each item that can be found, int64 [N]; -1 for the others."""


class Layouts(Protocol):
    """The layouts of distinct images, which are numbered by their place."""

    def __len__(self) -> int: ...

    def take(self, places: np.ndarray) -> np.ndarray:
        """The layouts at places int64 [N], float16 [N, 216]."""
        ...


class IndexLayouts:
    """Those of some items of an index, int64 [M]."""

    def __init__(self, index: VectorIndex, items: np.ndarray) -> None:
        self._index = index
        self._items = items

    def __len__(self) -> int:
        return len(self._items)

    def take(self, places: np.ndarray) -> np.ndarray:
        """The layouts at places int64 [N], float16 [N, 216]."""
        return self._index.layouts(self._items[places])


def distinct(index: VectorIndex) -> Pictures:
    """The distinct images of an index, by their digest."""
    there = np.flatnonzero(index.is_live)
    digests = index.items["imageDigest"].take(there).to_pandas()
    codes, _ = pd.factorize(digests)
    of = np.full(len(index), -1, np.int64)
    of[there] = codes
    first = np.unique(codes, return_index=True)[1]
    return Pictures(there[first], of)


def candidates(own: Layouts) -> Iterator[pd.DataFrame]:
    """Pairs of distinct images whose layouts are alike: columns first, second, distance and mirrored, in pieces.

    An image is compared with the twenty of the nearest layouts, and its mirror image, too. A pair may come twice.
    """
    nearest = _nearest(own)
    for start in range(0, len(own), AT_ONCE):
        rows = np.arange(start, min(start + AT_ONCE, len(own)))
        found = own.take(rows)
        for is_mirrored, asked in ((False, found), (True, mirrored(found))):
            apart, places = nearest.search(shortened(asked), min(NEIGHBOURS + 1, len(own)))
            most = (_MOST_APART * contrasts(asked))[:, None] ** 2
            row, column = np.nonzero((places >= 0) & (places != rows[:, None]) & (apart <= most))
            others = places[row, column]
            distance = distances(asked[row], own.take(others))
            near = distance <= MOST_DISTANT
            yield pd.DataFrame(
                {
                    "first": np.minimum(rows[row], others)[near],
                    "second": np.maximum(rows[row], others)[near],
                    "distance": distance[near],
                    "mirrored": is_mirrored,
                }
            )


def of_each_pair(pieces: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Pairs, each once: as it is or mirrored, whichever is nearer."""
    pairs = pd.concat(pieces, ignore_index=True).sort_values(["first", "second", "distance"], kind="stable")
    return pairs.drop_duplicates(["first", "second"]).reset_index(drop=True)


def compare(
    pairs: pd.DataFrame, refs: Sequence[str | None], store: ImageStore, max_pixels: int
) -> Iterator[list[Likeness | None]]:
    """How alike the images of each pair are, in pieces; None where one cannot be read.

    Args:
        pairs: As `of_each_pair` gives them.
        refs: Where each image is.
        store: Reads them.
        max_pixels: Larger ones are not decoded.
    """
    for start in range(0, len(pairs), _PAIRS_AT_ONCE):
        some = pairs.iloc[start : start + _PAIRS_AT_ONCE]
        wanted = np.unique(some[["first", "second"]].to_numpy())
        fetched = fetch_all(store, [refs[n] for n in wanted])
        images = {n: _decoded(data, max_pixels) for n, data in zip(wanted.tolist(), fetched, strict=True)}
        columns = (some[name].tolist() for name in ("first", "second", "mirrored"))
        yield [_likeness(images[a], images[b], flipped) for a, b, flipped in zip(*columns, strict=True)]


def grouped(index: VectorIndex, pictures: Pictures, pairs: pd.DataFrame) -> pa.Table:
    """The groups of two and more items that show one picture, by DUPLICATE.

    Images that pairs connect are one group. The largest group comes first, and in it its representative: an item with
    the image that has the most pairs, a labelled one before others.

    Args:
        index: The items.
        pictures: Their distinct images.
        pairs: Pairs of images that count as one picture.
    """
    count = len(pictures.items)
    links = (np.ones(len(pairs), np.int64), (pairs["first"].to_numpy(), pairs["second"].to_numpy()))
    component = connected_components(coo_matrix(links, shape=(count, count)), directed=False)[1]
    numbers = np.flatnonzero(pictures.of >= 0)
    image = pictures.of[numbers]
    group = component[image]
    sizes = np.bincount(group, minlength=count)
    several = sizes[group] > 1
    numbers, image, group = numbers[several], image[several], group[several]
    items = index.items.take(pa.array(numbers)).to_pandas()
    degree = np.bincount(pairs[["first", "second"]].to_numpy().ravel(), minlength=count)
    frame = items.assign(
        image=image, component=group, size=sizes[group], own=~items["labelled"], links=-degree[image]
    ).sort_values(["size", "component", "links", "own", "id"], ascending=[False, True, True, True, True])
    stands_for = frame.groupby("component", sort=False)["image"].transform("first")
    beside = _links_between(pairs, frame["image"].to_numpy(), stands_for.to_numpy())
    frame["sameness"] = np.where(frame["image"] == stands_for, str(Sameness.EXACT), beside)
    frame.loc[~frame.duplicated("component"), "sameness"] = str(Sameness.REPRESENTATIVE)
    frame["group"] = pd.factorize(frame["component"])[0]
    labels = frame["masterCategory"].str.cat(frame["articleType"], sep=" / ").where(frame["labelled"])
    frame["conflict"] = labels.groupby(frame["group"]).transform("nunique") > 1
    return pa.Table.from_pandas(frame[DUPLICATE.names], DUPLICATE, preserve_index=False)


def pair_table(index: VectorIndex, pictures: Pictures, pairs: pd.DataFrame) -> pa.Table:
    """The pairs that were compared, by DUPLICATE_PAIR, the most alike first.

    Args:
        index: The items.
        pictures: Their distinct images.
        pairs: first, second, distance, mirrored, structure, colour, same and judged.
    """
    pairs = pairs.sort_values(["same", "structure"], ascending=False, kind="stable")
    ids = index.items["id"]
    columns: dict[str, object] = {name: ids.take(pa.array(pictures.items[pairs[name]])) for name in ("first", "second")}
    columns |= {
        name: pa.array(pairs[name].to_numpy(), DUPLICATE_PAIR.field(name).type, from_pandas=True)
        for name in ("distance", "mirrored", "structure", "colour", "same", "judged")
    }
    return pa.table(columns, schema=DUPLICATE_PAIR)


def _links_between(pairs: pd.DataFrame, images: np.ndarray, others: np.ndarray) -> np.ndarray:
    """How images are those of others, [N]: near, mirrored, or only connected through others."""
    columns = (pairs[name].tolist() for name in ("first", "second", "mirrored"))
    known: dict[tuple[int, int], bool] = {(a, b): flipped for a, b, flipped in zip(*columns, strict=True)}
    found = [known.get((min(a, b), max(a, b))) for a, b in zip(images.tolist(), others.tolist(), strict=True)]
    names = {None: Sameness.CONNECTED, True: Sameness.MIRRORED, False: Sameness.NEAR}
    return np.array([str(names[link]) for link in found], object)


def _nearest(own: Layouts) -> faiss.Index:
    """What finds the nearest layouts: by comparing with all, or with those of some clusters where they are many."""
    width = shortened(own.take(np.zeros(1, np.int64))).shape[1]
    if len(own) <= _EXACT:
        found: faiss.Index = faiss.IndexFlatL2(width)
    else:
        lists = int(_LISTS_PER_ROOT * len(own) ** 0.5)
        found = faiss.IndexIVFScalarQuantizer(
            faiss.IndexFlatL2(width), width, lists, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_L2, False
        )
        found.nprobe = _PROBES
        sample = np.random.default_rng(0).permutation(len(own))[: _TRAINED_ON * lists]
        found.train(shortened(own.take(np.sort(sample))))
    for start in range(0, len(own), AT_ONCE):
        found.add(shortened(own.take(np.arange(start, min(start + AT_ONCE, len(own))))))
    return found


def _decoded(data: bytes | ImageError, max_pixels: int) -> np.ndarray | None:
    try:
        if isinstance(data, ImageError):
            raise data
        return decode_resized(data, _SIZE, max_pixels)
    except ImageError:
        return None


def _likeness(first: np.ndarray | None, second: np.ndarray | None, is_mirrored: bool) -> Likeness | None:
    if first is None or second is None:
        return None
    return likeness(first, np.ascontiguousarray(second[:, ::-1]) if is_mirrored else second)
