"""Joins the many small parts of a large run into files of about 128 MB, before the run is done.

A part is as much as a worker takes at once; who reads a run wants fewer and larger files. A plan is written first, and
each file replaces the first of the parts that it joins, so that a repeated call goes on after a kill.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

import pyarrow as pa

from tagger.flow.tasks import Tasks
from tagger.io.location import Location
from tagger.io.parquet import write_parquet_tables
from tagger.runs.directory import VECTOR_COLUMNS, RunDirectory
from tagger.runs.parts import PartCounts, open_part

_MANY = 100
"""More parts than this are joined."""
_FILE_BYTES = 1 << 27
_GROUP_ROWS = 1 << 17
_BATCH_ROWS = 1 << 14
_JOINED = b"joined"
"""Metadata of a file that stands for several parts: their number."""


def join_parts(run: RunDirectory, tasks: Tasks, many: int = _MANY, file_bytes: int = _FILE_BYTES) -> int:
    """Join the parts of a run that has all of them, if there are many; return the number of files that were written.

    Args:
        run: The run.
        tasks: Makes the calls.
        many: More parts than this are joined.
        file_bytes: Most bytes of a file, compressed, unless a part is larger.
    """
    plan = run.joining
    if not plan.exists():
        parts = run.predictions.sizes()
        vectors = run.embeddings.sizes()
        if len(parts) <= many:
            return 0
        sizes = [max(size, vectors.get(name, 0)) for name, size in parts.items()]
        plan.write_text(json.dumps([group for group in _groups(list(parts), sizes, file_bytes) if len(group) > 1]))
    groups: list[list[str]] = json.loads(plan.read_bytes())
    return sum(1 for _ in tasks(_Joining(run).join, [(group,) for group in groups]))


def _groups(names: Sequence[str], sizes: Sequence[int], most: int) -> Iterator[list[str]]:
    """Consecutive names, as many together as their sizes allow."""
    group: list[str] = []
    total = 0
    for name, size in zip(names, sizes, strict=True):
        if group and total + size > most:
            yield group
            group, total = [], 0
        group.append(name)
        total += size
    if group:
        yield group


@dataclass(frozen=True)
class _Joining:
    """Joins parts of a run; picklable."""

    run: RunDirectory

    def join(self, names: Sequence[str]) -> None:
        """Join consecutive parts under the name of the first, with their image vectors if they have any."""
        for folder, plain in ((self.run.embeddings, VECTOR_COLUMNS), (self.run.predictions, ())):
            if not (folder / names[0]).exists():
                continue
            if not _is_joined(folder / names[0], len(names)):
                _write_joined([folder / name for name in names], plain)
            for name in names[1:]:
                (folder / name).delete()


def _is_joined(file: Location, parts: int) -> bool:
    return (open_part(file).schema_arrow.metadata or {}).get(_JOINED) == str(parts).encode()


def _write_joined(parts: Sequence[Location], plain: Sequence[str]) -> None:
    """Replace the first of some parts by a file with the rows and the counts of all."""
    opened = [open_part(part) for part in parts]
    metadata: dict[bytes, bytes | str] = {_JOINED: str(len(parts))}
    if not plain:
        counts = [PartCounts.of_metadata(o.metadata.metadata, part) for o, part in zip(opened, parts, strict=True)]
        metadata |= reduce(PartCounts.__add__, counts).as_metadata()
    batches = (batch for part in opened for batch in part.iter_batches(_BATCH_ROWS))
    schema = opened[0].schema_arrow.with_metadata(metadata)
    write_parquet_tables(parts[0], schema, _in_groups(batches, schema), plain)


def _in_groups(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """The batches in tables of _GROUP_ROWS or a little more."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(map(len, waiting)) >= _GROUP_ROWS:
            yield pa.Table.from_batches(waiting).replace_schema_metadata(schema.metadata)
            waiting = []
    if waiting:
        yield pa.Table.from_batches(waiting).replace_schema_metadata(schema.metadata)
