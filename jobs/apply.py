"""Apply job: a run, or a folder of runs, in; final tags for the PIM system as Parquet and CSV out."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator

import pyarrow as pa

from jobs.console import Console
from schemas.config import ApplyConfig
from schemas.final_tag import FINAL_TAG
from tagger.catalog.shards import write_parquet
from tagger.errors import InputError, UsageError
from tagger.exports.csv import MAX_ROWS, csv_bytes
from tagger.exports.final import final_tags, newest_by_id
from tagger.inference.ledger import latest, read_ledger
from tagger.review.decisions import DATABASE, decisions_of
from tagger.storage import Location

_SUCCESS = "_SUCCESS"
_PART_ROWS = 65_536


def run(config: ApplyConfig, console: Console) -> int:
    """Write the tags that stand: a person's, else the model's where it was sure enough; and `_SUCCESS` last."""
    place = Location(config.run, config.s3_endpoint, config.s3_region)
    out = Location(config.out, config.s3_endpoint, config.s3_region)
    entries = read_ledger(place, "RUN")
    if not any(entry.done for entry in entries):
        raise InputError(f"RUN: {place} has not finished; the tag job's own command goes on with it")
    if out.uri == place.uri or out.files() or (out / _SUCCESS).exists():
        raise UsageError(f"--out: {out} is not empty; name a new folder")
    out.check_writable("--out")
    database = config.database or os.environ.get(DATABASE)
    decided = newest_by_id(table for entry in entries for table in decisions_of(entry.directory, database))
    states: Counter[tuple[str, str]] = Counter()
    used: set[str] = set()

    def counted() -> Iterator[pa.Table]:
        for table in final_tags(latest(entries), decided):
            states.update(zip(table["state"].to_pylist(), table["source"].to_pylist(), strict=True))
            used.update(item for item in table["id"].to_pylist() if item in decided)
            yield table

    _write(counted(), out, config)
    (out / _SUCCESS).write_bytes(b"")
    lost = len(decided) - len(used)
    if lost:
        console.warn(f"{lost:,} decisions are about items that no finished run here has")
    console.table(
        f"Final tags of {states.total():,} items",
        ["state", "by", "items"],
        [(state, source or "", items) for (state, source), items in sorted(states.items(), key=str)],
    )
    console.say(f"Tags: {out}")
    console.result(
        {
            "items": states.total(),
            "states": {f"{state}{f' by {source}' if source else ''}": n for (state, source), n in states.items()},
            "decisions": len(used),
            "tags": str(out),
        }
    )
    return 0


def _write(tables: Iterable[pa.Table], out: Location, config: ApplyConfig) -> None:
    """Parquet in parts, and CSV in files of as many rows as a spreadsheet takes."""
    names = [str(name) for name in config.formats]
    waiting = dict.fromkeys(names, FINAL_TAG.empty_table())
    parts = dict.fromkeys(names, 0)
    most = {"parquet": _PART_ROWS, "csv": MAX_ROWS}

    def write(name: str, table: pa.Table) -> None:
        target = out / f"tags-{parts[name]:05d}.{name}"
        if name == "parquet":
            write_parquet(target, table)
        else:
            target.write_bytes(csv_bytes(table))
        parts[name] += 1

    for table in tables:
        for name in names:
            waiting[name] = pa.concat_tables([waiting[name], table])
            while len(waiting[name]) >= most[name]:
                write(name, waiting[name].slice(0, most[name]))
                waiting[name] = waiting[name].slice(most[name])
    for name, rest in waiting.items():
        if len(rest) or not parts[name]:
            write(name, rest)


if __name__ == "__main__":
    from jobs.cli import main

    main(job="apply")
