"""Latest job: a folder of runs in, the newest prediction of every item out."""

from collections import Counter
from collections.abc import Iterable, Iterator

import pyarrow as pa

from tagger.errors import UsageError
from tagger.io.location import Location
from tagger.io.parquet import write_parquet
from tagger.jobs.shell.console import Console
from tagger.runs.ledger import latest, read_ledger
from tagger.schemas.configs.tag import LatestConfig
from tagger.schemas.tables.prediction import PREDICTION

_SUCCESS = "_SUCCESS"


def run(config: LatestConfig, console: Console) -> int:
    """Write the newest prediction of every item to parts of one schema, and `_SUCCESS` last."""
    place = Location(config.folder, config.s3_endpoint, config.s3_region)
    out = Location(config.out, config.s3_endpoint, config.s3_region)
    entries = read_ledger(place, "FOLDER")
    if out.uri == place.uri or out.files() or (out / _SUCCESS).exists():
        raise UsageError(f"--out: {out} is not empty; name a new folder")
    out.check_writable("--out")
    unfinished = [e.directory.root.name for e in entries if not e.done]
    if unfinished:
        console.warn(f"left out, because they have not finished: {', '.join(unfinished)}")
    from_run: Counter[str] = Counter()
    parts = 0
    for table in _parts(latest(entries), config.part_rows):
        write_parquet(out / f"part-{parts:05d}.parquet", table)
        from_run.update(table["runId"].to_pylist())
        parts += 1
    (out / _SUCCESS).write_bytes(b"")
    console.table(
        f"The newest predictions of {from_run.total():,} items",
        ["run", "items"],
        [(e.directory.root.name, from_run[e.record.run_id]) for e in entries if e.done],
    )
    console.say(f"Predictions: {out}")
    console.result({"items": from_run.total(), "fromRun": dict(from_run), "parts": parts, "unfinished": unfinished})
    return 0


def _parts(tables: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    waiting = PREDICTION.empty_table()
    for table in tables:
        waiting = pa.concat_tables([waiting, table.cast(PREDICTION)])
        while len(waiting) >= rows:
            yield waiting.slice(0, rows)
            waiting = waiting.slice(rows)
    yield waiting


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="latest")
