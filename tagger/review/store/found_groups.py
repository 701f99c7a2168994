"""Reads the groups of `tagger duplicates` for a review, joined with their rows of the run's manifest."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tagger.images.stores import ImageStore
from tagger.io.location import Location
from tagger.manifest.groups import PAIRS, picture_key, read_groups
from tagger.manifest.manifest import Manifest
from tagger.review.store.titles import title_column
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.duplicate import Sameness

_COLUMNS = ["group", "id", "sameness", "imageDigest", "masterCategory", "articleType", "labelled"]
_TEXT_LIMIT = 2000
_COMPARED = (Sameness.NEAR, Sameness.MIRRORED)


def group_rows(folder: Location, manifest: Manifest, images: ImageStore) -> list[dict[str, Any]]:
    """The groups as rows for the review: those whose labels differ first, then as they were found.

    An image is named only where the manifest of the run names it: what the output says of it is not followed.

    Args:
        folder: The output of `tagger duplicates`; without its pairs, no distances are known.
        manifest: Of the run.
        images: The run's store.

    Raises:
        UsageError: when the folder has no groups.
    """
    groups = read_groups(folder, _COLUMNS)
    items = _manifest_items(manifest, images, set(groups["id"]))
    distances = _distances(folder, groups)
    by_group = groups.groupby("group", sort=True)
    rows = [_row(of_group, items, distances) for _, of_group in by_group]
    return sorted(rows, key=lambda row: not row["conflict"])


def _row(
    of_group: pd.DataFrame, known: Mapping[str, dict[str, Any]], distances: Mapping[tuple[str, str], float]
) -> dict[str, Any]:
    number, first = int(of_group["group"].iloc[0]), of_group["imageDigest"].iloc[0]
    items = []
    for row in of_group.to_dict("records"):
        said = known.get(row["id"]) or {
            "title": None,
            "master": row["masterCategory"] if row["labelled"] else None,
            "article": row["articleType"] if row["labelled"] else None,
            "image_ref": None,
        }
        distance = distances.get(_pair(first, row["imageDigest"])) if row["sameness"] in _COMPARED else None
        items.append({"id": row["id"], "sameness": row["sameness"], "distance": distance, **said})
    labels = {(item["master"], item["article"]) for item in items if item["article"]}
    return {"found_as": number, "picture": picture_key(number), "conflict": len(labels) > 1, "items": items}


def _distances(folder: Location, groups: pd.DataFrame) -> dict[tuple[str, str], float]:
    """Distances of compared layouts, by the digests of both image files."""
    file = folder / PAIRS
    if not file.exists():
        return {}
    with file.open_random() as source:
        pairs: pd.DataFrame = pq.read_table(source, columns=["first", "second", "distance", "same"]).to_pandas()
    digests = groups.set_index("id")["imageDigest"]
    pairs = pairs[pairs["same"] & pairs["first"].isin(digests.index) & pairs["second"].isin(digests.index)]
    firsts, seconds = pairs["first"].map(digests), pairs["second"].map(digests)
    return {_pair(a, b): float(d) for a, b, d in zip(firsts, seconds, pairs["distance"], strict=True)}


def _pair(first: str, second: str) -> tuple[str, str]:
    return min(first, second), max(first, second)


def _manifest_items(manifest: Manifest, images: ImageStore, ids: set[str]) -> dict[str, dict[str, Any]]:
    """Title, labels and image of some items of the manifest, by id."""
    title = title_column(manifest)
    items: dict[str, dict[str, Any]] = {}
    wanted = pa.array(sorted(ids), pa.string())
    names = ["id", *([title] if title else []), *(str(level) for level in Level)]
    for batch in manifest.batches():
        is_wanted = pc.is_in(batch.items["id"], wanted)
        if pc.any(is_wanted).as_py():
            refs = pa.array(images.locate(batch), pa.string()).filter(is_wanted.combine_chunks())
            present = [name for name in names if name in batch.items.schema.names]
            rows = batch.items.select(present).filter(is_wanted).to_pylist()
            items.update(_item(row, title, ref) for row, ref in zip(rows, refs.to_pylist(), strict=True))
    return items


def _item(row: Mapping[str, Any], title: str | None, ref: str | None) -> tuple[str, dict[str, Any]]:
    text = row.get(title) if title else None
    return row["id"], {
        "title": None if text is None else str(text)[:_TEXT_LIMIT],
        "master": row.get(Level.MASTER_CATEGORY),
        "article": row.get(Level.ARTICLE_TYPE),
        "image_ref": ref,
    }
