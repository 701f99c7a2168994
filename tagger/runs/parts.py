"""The parts of a run: the counts in their metadata, and their rows in pieces."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tagger.errors import InputError, TaggerError
from tagger.flow.prefetch import Reservation, map_in_order
from tagger.images.failed import EXAMPLES, FailedImages
from tagger.io.location import Location, first_line
from tagger.runs.staging import KNOWN, Staged
from tagger.schemas.documents.run import Counts
from tagger.schemas.tables.prediction import PREDICTION

_COUNTS = b"counts"
_BATCH_ROWS = 16_384
READ_AT_ONCE = 32
"""Parts of a run whose counts are read at the same time."""
_AHEAD = 64
_BYTES_AHEAD = 1 << 28
"""Most bytes of parts that are read before they are asked for, uncompressed."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class Spent:
    """Seconds of a worker for a shard, and those of its engine; None if the engine runs in another process."""

    worker_s: float
    engine_s: float | None


@dataclass(frozen=True)
class PartCounts:
    """Counts of a shard's rows, and its duration."""

    decisions: Mapping[str, int]
    """Number of predictions by decision."""
    errors: Mapping[str, int]
    """Number of items without a usable image by error code."""
    skipped: Mapping[str, int]
    """Number of the shard's items without a prediction, by reason."""
    redecided: int
    """Number of stored predictions that were decided again."""
    spent: Spent
    attributes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Number of predicted further tags by name and decision."""

    @classmethod
    def of_predictions(
        cls, predictions: pa.Table, skipped: Mapping[str, int], spent: Spent, redecided: int
    ) -> "PartCounts":
        """Count a shard's predictions, by PREDICTION."""
        return cls(
            decisions=Counter(predictions["decision"].to_pylist()),
            errors=Counter(code for code in predictions["errorCode"].to_pylist() if code),
            skipped={reason: n for reason, n in skipped.items() if n},
            redecided=redecided,
            spent=spent,
            attributes=_attributes(predictions["attributes"]),
        )

    @classmethod
    def of_metadata(cls, metadata: Mapping[bytes, bytes] | None, file: object) -> "PartCounts":
        """Read the counts from a part's metadata. Raises InputError, which names the file, when there are none."""
        counts = (metadata or {}).get(_COUNTS)
        if counts is None:
            raise InputError(f"{file}: does not say how many rows went where; tagger tag did not write it")
        fields = json.loads(counts)
        seconds = fields.get("seconds", {})
        return cls(
            decisions=fields.get("decisions", {}),
            errors=fields.get("errors", {}),
            skipped=fields.get("skipped", {}),
            redecided=fields.get("redecided", 0),
            spent=Spent(seconds.get("worker", 0), seconds.get("engine")),
            attributes=fields.get("attributes", {}),
        )

    def as_metadata(self) -> dict[bytes, str]:
        """The counts as metadata of a part."""
        fields = {
            "redecided": self.redecided,
            "seconds": {"worker": self.spent.worker_s, "engine": self.spent.engine_s},
            "skipped": dict(self.skipped),
            "decisions": dict(self.decisions),
            "errors": dict(self.errors),
            "attributes": {name: dict(decisions) for name, decisions in self.attributes.items()},
        }
        return {_COUNTS: json.dumps(fields)}

    def __add__(self, other: "PartCounts") -> "PartCounts":
        one, two = self.spent.engine_s, other.spent.engine_s
        names = {*self.attributes, *other.attributes}
        return PartCounts(
            decisions=Counter(self.decisions) + Counter(other.decisions),
            errors=Counter(self.errors) + Counter(other.errors),
            skipped=Counter(self.skipped) + Counter(other.skipped),
            redecided=self.redecided + other.redecided,
            spent=Spent(self.spent.worker_s + other.spent.worker_s, None if one is None or two is None else one + two),
            attributes={
                name: Counter(self.attributes.get(name, {})) + Counter(other.attributes.get(name, {})) for name in names
            },
        )

    @property
    def rows(self) -> int:
        """Number of rows of the shard."""
        return sum(self.decisions.values()) + sum(self.skipped.values())


def _attributes(column: pa.ChunkedArray) -> dict[str, Counter[str]]:
    """Number of further tags by name and decision, of the column `attributes` of PREDICTION."""
    each = pc.list_flatten(column)
    pairs = zip(*(pc.struct_field(each, name).to_pylist() for name in ("name", "decision")), strict=True)
    counted = defaultdict[str, Counter[str]](Counter)
    for name, decision in pairs:
        counted[name][decision] += 1
    return dict(counted)


def part_counts(predictions: Location) -> list[PartCounts]:
    """The counts of the parts in a folder, in order; several files are read at once.

    Raises InputError when one cannot be read.
    """
    return list(_in_order(_counts_of, predictions.files()))


def _counts_of(file: Location, _: Reservation) -> PartCounts:
    return PartCounts.of_metadata(open_part(file).metadata.metadata, file)


def rows_done(predictions: Location) -> int:
    """Number of the manifest's rows that the parts in a folder account for."""
    return sum(part.rows for part in part_counts(predictions))


def failed_images(predictions: Location, totals: Mapping[str, int]) -> FailedImages:
    """Number of items without a usable image by error code, with some examples from the first parts in a folder.

    Args:
        predictions: The folder; it is read until there are enough examples.
        totals: Numbers by error code of all parts, as in the record of a finished run.
    """
    failed = FailedImages()
    missing = {code: min(EXAMPLES, total) for code, total in totals.items() if total}
    if missing:
        for rows in _in_order(_failed_rows, predictions.files()):
            for row in rows.to_pylist():
                failed.add_row(row["id"], row["imageUri"], row["errorCode"], row["errorMessage"])
            if all(len(failed.examples[code]) >= number for code, number in missing.items()):
                break
    failed.counts = Counter(totals)
    return failed


def _failed_rows(file: Location, _: Reservation) -> pa.Table:
    """What a report shows of the failed images of one part."""
    part, columns = open_part(file), ["id", "imageUri", "errorCode", "errorMessage"]
    if not PartCounts.of_metadata(part.metadata.metadata, file).errors:
        return PREDICTION.empty_table().select(columns)
    table = part.read(columns)
    return table.filter(pc.is_valid(table["errorCode"]))


def _in_order(work: Callable[[Location, Reservation], Result], files: Sequence[Location]) -> Iterator[Result]:
    """Call a function for each file in threads, because most of the time of a small one is its latency."""
    pool = ThreadPoolExecutor(READ_AT_ONCE)
    try:
        yield from map_in_order(work, files, pool, _AHEAD, _BYTES_AHEAD)
    finally:
        pool.shutdown(cancel_futures=True)


def whole_counts(staged: Staged, parts: Sequence[PartCounts]) -> Counts:
    """Counts of all rows of a manifest.

    Raises:
        TaggerError: when predictions, rejects, skipped and further rows do not add up to the rows read.
    """
    decisions, errors, skipped = Counter[str](), Counter[str](), Counter(staged.skip_reasons)
    attributes = defaultdict[str, Counter[str]](Counter)
    for part in parts:
        decisions.update(part.decisions)
        errors.update(part.errors)
        skipped.update(part.skipped)
        for name, counts in part.attributes.items():
            attributes[name].update(counts)
    if decisions.total() + staged.rejects + skipped.total() + staged.further != staged.rows:
        raise TaggerError(
            f"{staged.rows} rows were read, but there are {decisions.total()} predictions, {staged.rejects} rejects, "
            f"{skipped.total()} skipped rows and {staged.further} further rows of items"
        )
    return Counts(
        rows=staged.rows,
        further=staged.further,
        repaired=staged.repaired,
        rejects=staged.rejects,
        skipped=skipped.total(),
        skip_reasons=dict(skipped),
        known=staged.known + sum(part.skipped.get(KNOWN, 0) for part in parts),
        predictions=decisions.total(),
        redecided=sum(part.redecided for part in parts),
        decisions=dict(decisions),
        errors=dict(errors),
        attributes={name: dict(counts) for name, counts in sorted(attributes.items())},
        reject_reasons=staged.reject_reasons,
        parts=len(parts),
    )


def engine_share(parts: Sequence[PartCounts]) -> float | None:
    """The engine's share of the workers' seconds, 0 to 1, over the shards whose worker ran the engine itself."""
    timed = [part.spent for part in parts if part.spent.engine_s is not None]
    worker_s = sum(spent.worker_s for spent in timed)
    return sum(spent.engine_s or 0 for spent in timed) / worker_s if worker_s else None


def pieces(folder: Location, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Yield columns of the Parquet files in a folder, some thousand rows at a time; the next are read meanwhile."""
    for batches in _in_order(partial(_batches, columns=list(columns)), folder.files((".parquet",))):
        for batch in batches:
            yield pa.Table.from_batches([batch]).replace_schema_metadata(None)


def _batches(file: Location, reserve: Reservation, columns: list[str]) -> Iterable[pa.RecordBatch]:
    """The rows of a part: read already, or, of a large one, as they are asked for."""
    part = open_part(file)
    groups = (part.metadata.row_group(number) for number in range(part.metadata.num_row_groups))
    size = sum(group.total_byte_size for group in groups)
    batches: Iterator[pa.RecordBatch] = part.iter_batches(_BATCH_ROWS, columns=columns)
    if size > _BYTES_AHEAD:
        return batches
    reserve(size)
    return list(batches)


def prediction_pieces(predictions: Location, columns: Sequence[str]) -> Iterator[pa.Table]:
    """The same for rows by PREDICTION, with columns in this order; null in columns that an older run did not write."""
    for piece in pieces(predictions, columns):
        table = piece
        for name in columns:
            f = PREDICTION.field(name)
            if name not in table.schema.names and f.nullable:
                table = table.append_column(f, pa.nulls(len(table), f.type))
        yield table.select(list(columns))


def embedded_pieces(
    predictions: Location, embeddings: Location, columns: Sequence[str]
) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Yield columns of the predictions with an image vector, and these vectors by EMBEDDING, aligned, in pieces.

    A prediction that was decided again has none: its vector is in the run that predicted the image.

    Raises:
        InputError: when the vectors of a part do not match its predictions.
    """
    for file in embeddings.files((".parquet",)):
        counted = predictions / file.name
        part = open_part(counted).read(["id", "errorCode", *columns])
        tagged = part.filter(pc.is_null(part["errorCode"]))
        if PartCounts.of_metadata(part.schema.metadata, counted).redecided:
            tagged = tagged.filter(pc.is_in(tagged["id"], open_part(file).read(["id"])["id"].combine_chunks()))
        done = 0
        for batch in open_part(file).iter_batches(_BATCH_ROWS):
            vectors = pa.Table.from_batches([batch]).replace_schema_metadata(None)
            rows = tagged.slice(done, len(vectors))
            if not rows["id"].equals(vectors["id"]):
                raise InputError(f"{file}: its vectors are not those of the predictions beside it")
            done += len(vectors)
            yield rows, vectors


def open_part(part: Location) -> pq.ParquetFile:
    """Open one part. Raises InputError when it cannot be read."""
    try:
        return pq.ParquetFile(part.open_random())
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{part}: not a readable part: {first_line(error)}") from error
