"""Fills a review's queue: a run's items that need a person, joined with their rows of the manifest."""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from tagger.errors import InputError
from tagger.io.location import Location
from tagger.io.parquet import open_parquet
from tagger.manifest.batch import Batch
from tagger.manifest.groups import pictures_of, read_groups
from tagger.manifest.labels import KnownLabels
from tagger.manifest.manifest import Manifest
from tagger.review.store.leaves import Pair
from tagger.review.store.review import ReviewStore
from tagger.review.store.titles import title_column
from tagger.runs.directory import RunDirectory
from tagger.schemas.arrow import conformed
from tagger.schemas.documents.taxonomy import Level, Taxonomy
from tagger.schemas.tables.decision import DECISION
from tagger.schemas.tables.finding import FINDINGS_FILE
from tagger.schemas.tables.item import Role
from tagger.schemas.tables.prediction import Decision, Evidence

_WITNESSES = ("image", "title")
_PREDICTED = [
    "id", "imageUri", "masterCategory", "masterCategoryConfidence", "articleType", "articleTypeConfidence",
    "alternatives", "decision", "reviewReasons", "blurScore", "imageDigest", "errorCode", "attributes", "images",
    "evidence", *(f"{witness}ArticleType{of}" for witness in _WITNESSES for of in ("", "Confidence")),
]  # fmt: skip
_TEXT_LIMIT = 2000
_COLUMN_LIMIT = 60
_NO_DETAILS: dict[str, Any] = {"known_master": None, "known_article": None, "title": None, "columns": {}}


@dataclass(frozen=True)
class Filled:
    """Counts of a filled queue."""

    items: int
    leaves: int
    without_row: int
    """Items of the run that the manifest no longer has."""
    labelled: Counter[Pair]
    """Items of the manifest by their labels."""


def fill_queue(
    store: ReviewStore,
    run: RunDirectory,
    manifest: Manifest,
    taxonomy: Taxonomy | None,
    duplicates: Location | None = None,
    groups: Iterable[dict[str, Any]] = (),
    further: Collection[Pair] = (),
) -> Filled | None:
    """Read the run's predictions and the manifest once each, and write the queue; None where another process did.

    Decisions in RUN/decisions are imported into the log.

    Args:
        store: Whose queue is still empty.
        run: A finished run.
        manifest: The table of items that the run tagged.
        taxonomy: The model's leaves, where its bundle is at hand; a person may choose these, those that are predicted,
            and all that the manifest's labels have.
        duplicates: The output of tagger duplicates; without it, items share a picture when their image files are equal.
        groups: Its groups, from `group_rows`.
        further: Classes that can be chosen, too, such as those that had too few items for the model to learn.
    """
    predictions = _need_a_person(run)
    pictures = _shared_pictures(predictions, read_groups(duplicates) if duplicates else None)
    details, labelled = _manifest_rows(manifest, set(predictions["id"].to_pylist()))
    labelled = merged(labelled, taxonomy)
    others = merged(Counter(dict.fromkeys(further, 1)), taxonomy)
    leaves = {*labelled, *others, *(taxonomy.index if taxonomy else ())}
    for alternatives in predictions["alternatives"].to_pylist():
        leaves |= {(a["masterCategory"], a["articleType"]) for a in alternatives}
    rows = _QueueRows(predictions, pictures, details)
    earlier = (row for table in run.decisions(DECISION.names) for row in conformed(table, DECISION).to_pylist())
    items = store.fill(rows, sorted(leaves), earlier, duplicates.uri if duplicates else None, groups)
    return None if items is None else Filled(items, len(leaves), rows.without_details, labelled)


class _QueueRows:
    """Rows for the queue: predictions with their details from the manifest.

    Args:
        predictions: The items, in the queue's order.
        pictures: For each, the key that items with one picture share.
        details: Columns from the manifest, by id.
    """

    def __init__(
        self, predictions: pa.Table, pictures: Sequence[str | None], details: Mapping[str, dict[str, Any]]
    ) -> None:
        self._predictions = predictions
        self._pictures = pictures
        self._details = details
        self.without_details = sum(item not in details for item in predictions["id"].to_pylist())

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for position, (row, picture) in enumerate(zip(self._predictions.to_pylist(), self._pictures, strict=True), 1):
            yield {
                "position": position,
                "id": row["id"],
                "image_ref": row["imageUri"],
                "master": row["masterCategory"],
                "master_confidence": row["masterCategoryConfidence"],
                "article": row["articleType"],
                "article_confidence": row["articleTypeConfidence"],
                "alternatives": row["alternatives"],
                "reasons": row["reviewReasons"],
                "blur_score": row["blurScore"],
                "picture": picture,
                "attributes": row["attributes"],
                "images": _images(row),
                "evidence": _evidence(row),
                **self._details.get(row["id"], _NO_DETAILS),
            }


def _images(row: dict[str, Any]) -> list[dict[str, Any]] | None:
    """What each image of a prediction says, for the queue; None where it has no more than one."""
    names = ("imageUri", "articleType", "articleTypeConfidence", "errorCode")
    return [{name: image[name] for name in names} for image in row["images"]] if row["images"] else None


def _evidence(row: dict[str, Any]) -> list[dict[str, Any]] | None:
    """What image and title of a prediction say by themselves, for the queue; None where only images were asked."""
    if row["titleArticleType"] is None and row["evidence"] in (None, Evidence.IMAGE):
        return None
    return [
        {"witness": witness, "articleType": article, "confidence": row[f"{witness}ArticleTypeConfidence"]}
        for witness in _WITNESSES
        if (article := row[f"{witness}ArticleType"]) is not None
    ]


def _need_a_person(run: RunDirectory) -> pa.Table:
    """The predictions with a reason to be reviewed; of a failed item, there is nothing to look at."""
    tables = [run.read(_PREDICTED).slice(0, 0)]
    for table in run.batches(_PREDICTED):
        is_tagged = pc.not_equal(table["decision"], str(Decision.FAILED))
        has_reason = pc.greater(pc.list_value_length(table["reviewReasons"]), 0)
        tables.append(table.filter(pc.and_(is_tagged, has_reason)))
    return pa.concat_tables(tables)


def _shared_pictures(predictions: pa.Table, groups: pd.DataFrame | None) -> list[str | None]:
    """For each item the key of its picture; None where it has none, or no other item in the queue has that picture."""
    damaged = pc.is_valid(predictions["errorCode"])  # one file that is no picture may stand for many items
    digests = pc.if_else(damaged, None, predictions["imageDigest"])
    key = pictures_of(digests.to_pandas().astype(object), groups)
    shared = key.notna() & key.duplicated(keep=False)
    return [value if is_shared else None for value, is_shared in zip(key, shared, strict=True)]


def label_counts(manifest: Manifest, taxonomy: Taxonomy | None) -> Counter[Pair]:
    """Items of a manifest by their labels, after the taxonomy's merging."""
    counts: Counter[Pair] = Counter()
    for batch in manifest.batches():
        counts.update(_labels_of(batch))
    return merged(counts, taxonomy)


def merged(labelled: Counter[Pair], taxonomy: Taxonomy | None) -> Counter[Pair]:
    """Counts of labels, with merged labels under the name of their leaf."""
    known = KnownLabels(taxonomy) if taxonomy else None
    counts: Counter[Pair] = Counter()
    for (master, article), items in labelled.items():
        counts[known.pair(master, article) if known else (master, article)] += items
    return counts


def suggestions_of(audit: RunDirectory) -> Iterator[tuple[str, str, str, float]]:
    """An audit's suggestions: id, masterCategory, articleType, confidence.

    Raises:
        InputError: when its findings are gone.
    """
    file = audit.root / FINDINGS_FILE
    if not file.exists():
        raise InputError(f"--run: {file} is gone, which says what the audit suggests; run tagger audit again")
    columns = ["id", "suggestedMasterCategory", "suggestedArticleType", "suggestionConfidence", "score"]
    for batch in open_parquet(file).iter_batches(columns=columns):
        for row in batch.to_pylist():
            if row["suggestedArticleType"]:
                confidence = row["suggestionConfidence"]
                is_known = confidence is not None and not math.isnan(confidence)
                names = (row["id"], row["suggestedMasterCategory"], row["suggestedArticleType"])
                yield (*names, confidence if is_known else row["score"])


def _labels_of(batch: Batch) -> dict[Pair, int]:
    """Items of a batch by their labels."""
    levels = [str(level) for level in Level]
    if not set(levels) <= set(batch.items.schema.names):
        return {}
    pairs = batch.items.select(levels).drop_null().group_by(levels).aggregate([([], "count_all")]).to_pylist()
    return {(row[Level.MASTER_CATEGORY], row[Level.ARTICLE_TYPE]): row["count_all"] for row in pairs}


def _manifest_rows(manifest: Manifest, ids: set[str]) -> tuple[dict[str, dict[str, Any]], Counter[Pair]]:
    """The manifest's columns for some items by id, and all its items by their labels."""
    details: dict[str, dict[str, Any]] = {}
    labelled: Counter[Pair] = Counter()
    title = title_column(manifest)
    for batch in manifest.batches():
        labelled.update(_labels_of(batch))
        chosen = batch.items.filter(pc.is_in(batch.items["id"], pa.array(sorted(ids), pa.string())))
        for row in chosen.to_pylist():
            details[row["id"]] = _details(row, batch, title)
    return details, labelled


def _details(row: dict[str, Any], batch: Batch, title: str | None) -> dict[str, Any]:
    originals = {current: original for original, current in batch.names.items()}
    shown = [
        (originals.get(name, name), value) for name, value in row.items() if name not in (Role.ID, Role.IMAGE, title)
    ]
    return {
        "known_master": row.get(Level.MASTER_CATEGORY),
        "known_article": row.get(Level.ARTICLE_TYPE),
        "title": _text(row.get(title)) if title else None,
        "columns": {name: _text(v) for name, v in shown[:_COLUMN_LIMIT] if v not in (None, "")},
    }


def _text(value: object) -> str | None:
    return None if value is None else str(value)[:_TEXT_LIMIT]
