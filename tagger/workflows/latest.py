"""Writes the newest prediction of every item of several runs."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa

from tagger.errors import UsageError
from tagger.io.completion import mark_complete
from tagger.io.location import Location
from tagger.io.parquet import write_parquet
from tagger.reporter import LOG, Reporter
from tagger.runs import ledger
from tagger.runs.ledger import LedgerEntry, read_ledger
from tagger.schemas.configs.tag import LatestConfig
from tagger.schemas.tables.prediction import PREDICTION
from tagger.workflows.open_catalog import new_folder, resolve_location


@dataclass(frozen=True)
class LatestResult:
    """The newest predictions, and their runs."""

    out: Location
    """Folder of Parquet parts by `tagger.schemas.tables.prediction`."""
    parts: int
    from_run: Mapping[str, int]
    """Number of items by `runId`."""
    finished: tuple[LedgerEntry, ...]
    """The runs that were read, the newest first."""
    unfinished: tuple[str, ...]
    """Names of the runs that were left out."""

    @property
    def items(self) -> int:
        """Number of distinct items of all runs."""
        return sum(self.from_run.values())


def latest(config: LatestConfig, reporter: Reporter = LOG) -> LatestResult:
    """Write the newest prediction of every item to Parquet parts, and `_SUCCESS` last.

    A failed prediction is used only for items that no run could tag.

    Args:
        config: The folder of runs, and the folder to write to.
        reporter: Where progress and warnings go.

    Raises:
        UsageError: when there is no run, or the folder to write to is not empty.

    Example::

        from tagger.schemas.configs.tag import LatestConfig

        result = latest(LatestConfig(run="runs", out="latest"))
        print(f"{result.items:,} items in {result.parts} parts")
    """
    source = resolve_location(config.run, config)
    entries = read_ledger(source, "RUN")
    if resolve_location(config.out, config).uri == source.uri:
        raise UsageError(f"--out: {source} holds the runs themselves; name a new folder")
    out = new_folder(config.out, config)
    unfinished = tuple(e.directory.root.name for e in entries if not e.done)
    if unfinished:
        reporter.warn(f"left out, because they have not finished: {', '.join(unfinished)}")
    from_run: Counter[str] = Counter()
    parts = 0
    for table in _parts(ledger.latest(entries), config.part_rows):
        write_parquet(out / f"part-{parts:05d}.parquet", table)
        from_run.update(table["runId"].to_pylist())
        parts += 1
    mark_complete(out)
    return LatestResult(out, parts, from_run, tuple(e for e in entries if e.done), unfinished)


def _parts(tables: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    waiting = PREDICTION.empty_table()
    for table in tables:
        waiting = pa.concat_tables([waiting, table.cast(PREDICTION)])
        while len(waiting) >= rows:
            yield waiting.slice(0, rows)
            waiting = waiting.slice(rows)
    yield waiting
