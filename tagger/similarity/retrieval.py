"""Measures how well vectors find items of the same class: precision and recall at k, mean average precision."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd

from tagger.errors import ImageError
from tagger.images.stores import ImageStore, fetch_all
from tagger.imaging.decode import decode
from tagger.schemas.documents.bundle import Preprocessing

Relevance = tuple[np.ndarray, np.ndarray]
"""Class codes of the queries, int [Q], and of the gallery, int [G]; equal codes are relevant; -1 means no class."""
TOPS = (1, 5, 10, 20)
SHOWN = 5
_QUERY_BATCH, _MAX_SCORES = 256, 10_000_000
_BINS = 8
_SIZE = Preprocessing(height=80, width=60, fit="stretch", resize="area")
_IMAGE_BATCH = 1024


@dataclass(frozen=True)
class Retrieved:
    """The results of one kind of vectors for Q queries, in a gallery of G items."""

    figures: pd.DataFrame
    """Figures of each query and relevance: columns query, by, precision@k, recall@k, average_precision."""
    nearest: np.ndarray
    """Rows of the five most similar items of the gallery, int64 [Q, 5]."""


def retrieve(queries: np.ndarray, gallery: np.ndarray, relevance: Mapping[str, Relevance]) -> Retrieved:
    """Rank the whole gallery for each query by cosine, and measure the ranking.

    A query without a relevant item in the gallery is left out of that relevance's figures. Average precision is that
    of the whole ranking (Manning, Raghavan and Schütze 2008, "Introduction to information retrieval", 8.4).

    Args:
        queries: float32 [Q, D], of length 1.
        gallery: float32 [G, D], of length 1.
        relevance: Class codes of queries and gallery, by the relevance's name.
    """
    tables, nearest = [], []
    ranks = np.arange(1, len(gallery) + 1, dtype=np.float32)
    batch = max(1, min(_QUERY_BATCH, _MAX_SCORES // len(gallery)))
    for first in range(0, len(queries), batch):
        part = slice(first, first + batch)
        order = np.argsort(-(queries[part] @ gallery.T), axis=1, kind="stable")
        nearest.append(order[:, :SHOWN])
        for name, (query_classes, gallery_classes) in relevance.items():
            is_relevant = (gallery_classes[order] == query_classes[part, None]) & (query_classes[part, None] >= 0)
            total = is_relevant.sum(axis=1)
            hits_by_rank = is_relevant.cumsum(axis=1)
            table = pd.DataFrame({"query": np.arange(first, first + len(order)), "by": name})
            for k in TOPS:
                hits = hits_by_rank[:, min(k, len(gallery)) - 1]
                table[f"precision@{k}"] = hits / min(k, len(gallery))
                table[f"recall@{k}"] = hits / np.maximum(total, 1)
            table["average_precision"] = (is_relevant * (hits_by_rank / ranks)).sum(axis=1) / np.maximum(total, 1)
            tables.append(table[total > 0])
    return Retrieved(pd.concat(tables, ignore_index=True), np.concatenate(nearest))


def by_chance(relevance: Mapping[str, Relevance]) -> pd.DataFrame:
    """The expected figures of a random ranking, in the form of `Retrieved.figures`.

    Precision and average precision are the relevant share of the gallery (average precision except for a term that
    vanishes in large galleries: Bestgen 2015); recall is the share of the gallery that is looked at.
    """
    tables = []
    for name, (query_classes, gallery_classes) in relevance.items():
        values, counts = np.unique(gallery_classes, return_counts=True)
        share_of = dict(zip(values.tolist(), (counts / len(gallery_classes)).tolist(), strict=True))
        share = np.array([share_of.get(value, 0.0) if value >= 0 else 0.0 for value in query_classes.tolist()])
        table = pd.DataFrame({"query": np.arange(len(query_classes)), "by": name})
        for k in TOPS:
            table[f"precision@{k}"] = share
            table[f"recall@{k}"] = min(k, len(gallery_classes)) / len(gallery_classes)
        table["average_precision"] = share
        tables.append(table[share > 0])
    return pd.concat(tables, ignore_index=True)


def colour_histograms(refs: Sequence[str], store: ImageStore, max_pixels: int) -> np.ndarray:
    """Joint histograms of red, green and blue with eight bins each, float32 [N, 512], of length 1; 0 for a bad image.

    They hold square roots of shares, so that a cosine is the Bhattacharyya coefficient of two histograms (Swain and
    Ballard 1991 compare colour histograms; Bhattacharyya 1943).
    """
    histograms = np.zeros((len(refs), _BINS**3), np.float32)
    for first in range(0, len(refs), _IMAGE_BATCH):
        for row, data in enumerate(fetch_all(store, refs[first : first + _IMAGE_BATCH]), first):
            if isinstance(data, ImageError):
                continue
            try:
                pixels = decode(data, _SIZE, max_pixels).pixels
            except ImageError:
                continue
            counts = cv2.calcHist([pixels], [0, 1, 2], None, [_BINS] * 3, [0, 256] * 3).ravel()
            histograms[row] = np.sqrt(counts / counts.sum())
    return histograms
