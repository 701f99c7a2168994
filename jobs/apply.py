"""Apply job: a run, or a folder of runs, in; final tags for the PIM system as Parquet and CSV out."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import pyarrow as pa

from tagger.decisions.final_tags import final_tags, newest_by_id
from tagger.decisions.read import DATABASE, decisions_of
from tagger.errors import InputError, UsageError
from tagger.exports.csv import MAX_ROWS
from tagger.exports.pim import PIM_FILES, PimFile, formula_like, pim_csv
from tagger.io.location import Location
from tagger.io.parquet import write_parquet
from tagger.jobs.shell.console import Console
from tagger.manifest.no_value import NoValue
from tagger.runs.ledger import latest, read_ledger
from tagger.schemas.configs.review import ApplyConfig
from tagger.schemas.tables.final_tag import FINAL_TAG, TagState

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
        for table in final_tags(latest(entries), decided, NoValue(config.no_value)):
            states.update(zip(table["state"].to_pylist(), table["source"].to_pylist(), strict=True))
            used.update(item for item in table["id"].to_pylist() if item in decided)
            yield table

    files = _Files(out, config)
    files.write(counted())
    (out / _SUCCESS).write_bytes(b"")
    lost = len(decided) - len(used)
    if lost:
        console.warn(f"{lost:,} decisions are about items that no finished run here has")
    if files.formula_like:
        console.warn(
            f"{files.formula_like:,} cells of the CSV begin as a formula does; a PIM reads them as they are, but open "
            "the file in a spreadsheet only by importing its columns as text"
        )
    _say(console, states, len(used), files.written, out)
    return 0


def _say(
    console: Console, states: Counter[tuple[str, str]], decisions: int, written: Mapping[str, int], out: Location
) -> None:
    by_state = Counter[str]()
    for (state, _), count in states.items():
        by_state[state] += count
    to_set, master_only = by_state[TagState.COMPLETE], by_state[TagState.MASTER_ONLY]
    not_set = states.total() - to_set - master_only
    named = {f"{state}{f' by {source}' if source else ''}": n for (state, source), n in sorted(states.items(), key=str)}

    def rows(kinds: Sequence[TagState]) -> list[tuple[str, int]]:
        return [(f"  {name}", n) for name, n in named.items() if name.split(" ")[0] in kinds]

    unset = [state for state in TagState if state not in (TagState.COMPLETE, TagState.MASTER_ONLY)]
    console.table(
        f"Final tags of {states.total():,} items",
        ["what", "items"],
        [
            ("both tags to set", to_set),
            *rows([TagState.COMPLETE]),
            ("only the master category to set", master_only),
            *rows([TagState.MASTER_ONLY]),
            ("nothing to set", not_set),
            *rows(unset),
        ],
    )
    console.say(f"Tags: {out}")
    for name, count in written.items():
        console.say(f"  {name}: {count:,} rows")
    console.result(
        {
            "items": states.total(),
            "set": to_set,
            "masterOnly": master_only,
            "notSet": not_set,
            "states": named,
            "decisions": decisions,
            "tags": str(out),
            "files": dict(written),
        }
    )


class _Files:
    """What is written: Parquet of all items in parts, and CSV of what is to be set, as many rows as a sheet takes."""

    def __init__(self, out: Location, config: ApplyConfig) -> None:
        self.written: dict[str, int] = {}
        """Rows of each file."""
        self.formula_like = 0
        self._parts: Counter[PimFile | None] = Counter()
        self._out = out
        self._config = config

    def write(self, tables: Iterable[pa.Table]) -> None:
        """Write tags by FINAL_TAG, in pieces."""
        kinds: list[PimFile | None] = [None] if "parquet" in self._config.formats else []
        kinds += list(PIM_FILES) if "csv" in self._config.formats else []
        waiting = {kind: self._of(kind, FINAL_TAG.empty_table()) for kind in kinds}
        for table in tables:
            for kind in kinds:
                most = MAX_ROWS if kind else _PART_ROWS
                rest = pa.concat_tables([waiting[kind], self._of(kind, table)])
                while len(rest) >= most:
                    self._write(kind, rest.slice(0, most))
                    rest = rest.slice(most)
                waiting[kind] = rest
        for kind, rest in waiting.items():
            if len(rest) or (not self._parts[kind] and kind in (None, PIM_FILES[0])):
                self._write(kind, rest)

    @staticmethod
    def _of(kind: PimFile | None, table: pa.Table) -> pa.Table:
        return kind.rows(table) if kind else table

    def _write(self, kind: PimFile | None, table: pa.Table) -> None:
        stem, suffix = (kind.name, "csv") if kind else ("tags", "parquet")
        name = f"{stem}-{self._parts[kind]:05d}.{suffix}"
        if kind:
            (self._out / name).write_bytes(pim_csv(table, {str(k): v for k, v in self._config.column.items()}))
            self.formula_like += formula_like(table)
        else:
            write_parquet(self._out / name, table)
        self._parts[kind] += 1
        self.written[name] = len(table)


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="apply")
