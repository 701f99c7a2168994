"""How quick the ledger of large runs is: ids, staging, known runs, the newest of several runs, parts of one run.

    python -m tests.ledger_speed [--rows 1000000] [--runs 30] [--parts 12000] [--s3-parts 0] [--only NAME …]
                                 [--against CHECKOUT] [--cpu]

With --against, each figure is measured here and with the package of another checkout, in turns, and compared. All files
are made in a temporary folder first, which is not part of a figure. No image is read. Seconds are those of the clock;
with --cpu, those that this process computed, which say more on a busy machine and nothing of what was waited for.
"""

import argparse
import json
import logging
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tagger.confidence.thresholds import QaSample, Thresholds
from tagger.errors import ImageError
from tagger.flow.seen_ids import SeenIds
from tagger.images.stores import ImageStore
from tagger.io.location import Location
from tagger.manifest.manifest import Manifest
from tagger.manifest.selection import EVERYTHING
from tagger.runs.directory import RunDirectory
from tagger.runs.ledger import LedgerEntry, latest, read_ledger
from tagger.runs.parts import Spent, failed_images, rows_done
from tagger.runs.staging import Staged, stage
from tagger.schemas.documents.run import Counts, RunRecord
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.item import ITEM
from tagger.schemas.tables.prediction import ErrorCode
from tagger.tagging.collector import Outcome, outcome_type
from tagger.tagging.known import Known
from tagger.tagging.rows import Items, PredictionRows
from tests.builders import card, catalog_of

_PART_ROWS = 8192
_SMALL_PART_ROWS = 100
_GROUP_ROWS = 1 << 17
_CARD = card([("Apparel", "Shirts"), ("Footwear", "Shoes")])
_ROWS = PredictionRows(_CARD, Thresholds(dict.fromkeys(Level, 0.5)), "now", QaSample(0))

_clock = time.perf_counter


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="ids, rows of a manifest and of a known run")
    parser.add_argument("--runs", type=int, default=30, help="runs of a tenth of these rows each, in one folder")
    parser.add_argument("--parts", type=int, default=12_000, help="parts of one run")
    parser.add_argument("--s3-parts", type=int, default=0, help="the same in a bucket of a server on loopback")
    parser.add_argument("--only", nargs="+", choices=list(_MEASURED), default=list(_MEASURED))
    parser.add_argument("--against", type=Path, help="checkout of another version")
    parser.add_argument("--cpu", action="store_true", help="seconds of computation")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.inside:
        global _clock
        _clock = time.process_time if asked.cpu else time.perf_counter
        print(json.dumps(dict(_MEASURED[asked.inside](asked))))
        return
    for name in asked.only:
        here = _measured(name, Path(__file__).parent.parent)
        there = _measured(name, asked.against.resolve()) if asked.against else {}
        for what, value in here.items():
            before = f", against {there[what]:,.2f}: ratio {there[what] / value:.2f}" if there.get(what) else ""
            print(f"{what}: {value:,.2f}{before}", flush=True)


def _measured(name: str, checkout: Path) -> dict[str, float]:
    """One measurement in a process of its own, with the package of a checkout."""
    tests = Path(__file__).parent.parent
    code = (
        f"import sys; sys.path[:0] = [{str(checkout)!r}]; import tagger; sys.path[0] = {str(tests)!r}; "
        "from tests.ledger_speed import main; main()"
    )
    command = [sys.executable, "-c", code, *sys.argv[1:], "--inside", name]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment, cwd=tests)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _timed(work: Callable[[], object]) -> float:
    began = _clock()
    work()
    return _clock() - began


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _ids(asked: argparse.Namespace) -> Iterator[tuple[str, float]]:
    """Seconds for all ids, in batches as a manifest gives them."""
    rows = asked.rows
    shuffled = np.random.default_rng(0).permutation(rows)
    for order, numbers in (("in order", np.arange(rows)), ("random", shuffled)):
        seen: SeenIds[int] = SeenIds()
        before = _peak_mb()
        yield f"s to add {rows:,} ids, {order}", _in_batches(numbers, seen.add)
        yield f"s to add them again, {order}", _in_batches(numbers, seen.add)
        yield f"s to get them, {order}", _in_batches(numbers, partial(_get, seen))
        yield f"MB of memory more, {order}", _peak_mb() - before
        seen.close()


def _get(seen: SeenIds[int], ids: list[str], values: list[int]) -> None:
    assert seen.get(ids) == values


def _in_batches(numbers: np.ndarray, work: Callable[[list[str], list[int]], object]) -> float:
    """Seconds of some work with ids, without those for making them."""
    took = 0.0
    for start in range(0, len(numbers), _PART_ROWS):
        batch = numbers[start : start + _PART_ROWS].tolist()
        ids = [_id(number) for number in batch]
        began = _clock()
        work(ids, batch)
        took += _clock() - began
    return took


def _id(number: int) -> str:
    return f"sku-{number:09d}"


def _staging(asked: argparse.Namespace) -> Iterator[tuple[str, float]]:
    with _manifest_of(asked.rows) as (folder, manifest, store):
        work, rejects = Location(str(folder / "work")), Location(str(folder / "rejects"))
        yield f"s to stage {asked.rows:,} rows", _timed(lambda: stage(manifest, store, work, rejects, _PART_ROWS))


@contextmanager
def _manifest_of(rows: int) -> Iterator[tuple[Path, Manifest, ImageStore]]:
    """A Parquet manifest with ids in random order, and its store."""
    with _folder() as folder:
        (folder / "images").mkdir()
        numbers = np.random.default_rng(0).permutation(rows)
        table = pa.table({"id": [_id(n) for n in numbers.tolist()]})
        pq.write_table(table, folder / "m.parquet", row_group_size=_GROUP_ROWS)
        yield folder, *catalog_of(folder / "m.parquet", f"{folder}/images/{{id}}.jpg")


def _ranges(asked: argparse.Namespace) -> Iterator[tuple[str, float]]:
    """Seconds of all processes together, as one process does their work."""
    from tagger.runs.parallel_staging import stage_ranges, staging_keys  # an earlier version has none
    from tagger.runs.range_staging import RangeStaging

    with _manifest_of(asked.rows) as (folder, manifest, store):
        work, rejects = Location(str(folder / "work")), Location(str(folder / "rejects"))
        staging = RangeStaging(manifest, store, EVERYTHING, (), work, rejects, staging_keys(work, rejects, ()))
        spent = dict[str, float]()

        def tasks(method: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
            for number, each in enumerate(arguments):
                began = _clock()
                yield number, method(*each)
                spent[method.__name__] = spent.get(method.__name__, 0) + _clock() - began

        ranges = manifest.ranges()
        whole = _timed(lambda: stage_ranges(staging, ranges, _PART_ROWS, lambda _: None, 2, tasks))
        yield f"s to stage {asked.rows:,} rows in {len(ranges)} ranges", whole
        yield "s of which in the command", whole - sum(spent.values())


def _joined(asked: argparse.Namespace) -> Iterator[tuple[str, float]]:
    """Images in Parquet files that are joined by id."""
    with _folder() as folder:
        numbers = np.random.default_rng(0).permutation(asked.rows)
        pq.write_table(pa.table({"id": [_id(n) for n in numbers.tolist()]}), folder / "m.parquet")
        (folder / "images").mkdir()
        for number, start in enumerate(range(0, asked.rows, _GROUP_ROWS)):
            ids = [_id(n) for n in range(start, min(asked.rows, start + _GROUP_ROWS))]
            pq.write_table(pa.table({"id": ids, "image": [b""] * len(ids)}), folder / f"images/{number:03d}.parquet")
        before, began = _peak_mb(), _clock()
        manifest, store = catalog_of(folder / "m.parquet", str(folder / "images"))
        yield f"s to read the ids of {asked.rows:,} joined images", _clock() - began
        work, rejects = Location(str(folder / "work")), Location(str(folder / "rejects"))
        yield (
            f"s to stage {asked.rows:,} rows with them",
            _timed(lambda: stage(manifest, store, work, rejects, _PART_ROWS)),
        )
        yield "bytes of memory a row", 1e6 * (_peak_mb() - before) / asked.rows


def _known(asked: argparse.Namespace) -> Iterator[tuple[str, float]]:
    with _folder() as folder:
        numbers = np.random.default_rng(0).permutation(asked.rows)
        entry = _a_run(folder / "run", numbers)
        known = Known([entry], _CARD, _ROWS)
        yield f"s to read a known run of {asked.rows:,} rows", _timed(lambda: known.knows([]))
        yield f"s to recall {asked.rows:,} known rows", _timed(lambda: _recall_all(known, asked.rows))


def _recall_all(known: Known, rows: int) -> None:
    """Ask for all that staging asks for."""
    for start in range(0, rows, _PART_ROWS):
        ids = [_id(number) for number in range(start, min(rows, start + _PART_ROWS))]
        items = pa.Table.from_pydict({"id": ids, "row": range(len(ids)), "imageRef": ids})
        absent = [f for f in ITEM if f.name not in items.schema.names]
        for f in absent:
            items = items.append_column(f, pa.nulls(len(ids), f.type))
        known.decided(ids)
        recall = known.recall(items)
        known.etags(items, recall.digests)
        assert None not in recall.digests


def _several_runs(asked: argparse.Namespace) -> Iterator[tuple[str, float]]:
    with _folder() as folder:
        rows = asked.rows // 10
        for night in range(asked.runs):  # each night half of the items are new
            _a_run(folder / f"night-{night:03d}", np.arange(rows) + night * rows // 2, failing=True)
        place = Location(str(folder))
        yield f"s to list {asked.runs} runs", _timed(lambda: read_ledger(place, "RUN"))
        runs = read_ledger(place, "RUN")
        yield f"s for the newest of {asked.runs} runs of {rows:,} rows", _timed(lambda: sum(map(len, latest(runs))))


def _parts(asked: argparse.Namespace) -> Iterator[tuple[str, float]]:
    with _folder() as folder:
        directory = RunDirectory(Location(str(folder / "run")))
        yield from _parts_of(directory, asked.parts, f"{asked.parts:,} parts")
        if asked.s3_parts:
            with _s3() as bucket:
                directory = RunDirectory(bucket / "run")
                yield from _parts_of(directory, asked.s3_parts, f"{asked.s3_parts:,} parts in a bucket")


def _parts_of(directory: RunDirectory, parts: int, what: str) -> Iterator[tuple[str, float]]:
    """Seconds for a resumed run's count, the end of a run, and its report of failed images."""
    table = _predictions(np.arange(_SMALL_PART_ROWS), failing=True)
    directory.write_part(0, table, {}, Spent(2, 1))
    data = (directory.predictions / "part-00000.parquet").read_bytes()
    for number in range(1, parts):
        _put(directory.predictions / f"part-{number:05d}.parquet", data)
    yield f"s to count the rows of {what}", _timed(lambda: rows_done(directory.predictions))
    rows = parts * len(table)
    staged = Staged(rows, rows, 0, 0, {}, {}, parts)
    yield f"s to finish a run of {what}", _timed(lambda: directory.finish(_record("run"), staged))
    totals = [{"not_found": rows // 100}][: len(signature(failed_images).parameters) - 1]  # an earlier version has none
    yield f"s for the failed images of {what}", _timed(lambda: failed_images(directory.predictions, *totals))


def _put(file: Location, data: bytes) -> None:
    if file.is_s3:
        file.write_bytes(data)
    else:
        Path(file.path).write_bytes(data)


def _a_run(folder: Path, numbers: np.ndarray, failing: bool = False) -> LedgerEntry:
    """A finished run with predictions of these items; perhaps every hundredth has failed."""
    directory = RunDirectory(Location(str(folder)))
    parts = range(0, len(numbers), _PART_ROWS)
    whole = _predictions(np.arange(_PART_ROWS), failing)
    for part, start in enumerate(parts):
        batch = numbers[start : start + _PART_ROWS]
        table = whole.slice(0, len(batch))
        directory.write_part(part, table.set_column(0, table.schema.field(0), _ids_of(batch)), {}, Spent(2, 1))
    record = directory.finish(_record(folder.name), Staged(len(numbers), len(numbers), 0, 0, {}, {}, len(parts)))
    return LedgerEntry(directory, record, True)


def _ids_of(numbers: np.ndarray) -> pa.Array:
    return pa.array([_id(number) for number in numbers.tolist()], pa.string())


def _predictions(numbers: np.ndarray, failing: bool = False) -> pa.Table:
    """Predictions by PREDICTION, with a digest of its own for each; perhaps every hundredth has failed."""
    rng = np.random.default_rng(0)
    records = np.zeros(len(numbers), outcome_type())
    records["master_confidence"] = records["type_confidence"] = 0.6 + 0.4 * rng.random(len(numbers))
    records["image_type_confidence"], records["blur_score"] = records["type_confidence"], 100
    records["leaves"] = [0, 1, -1, -1, -1]
    records["leaf_confidences"][:, 0] = records["type_confidence"]
    ids = [_id(number) for number in numbers.tolist()]
    items = Items(ids, [f"images/{item}.jpg" for item in ids], [None] * len(ids), {})
    outcomes: list[Outcome] = [record.tobytes() for record in records]
    for number in range(0, len(ids) if failing else 0, 100):
        outcomes[number] = ImageError(ErrorCode.NOT_FOUND, "there is no file")
    return _ROWS.table(items, [rng.bytes(32) for _ in ids], outcomes)


def _record(run_id: str) -> RunRecord:
    return RunRecord(
        run_id=run_id, model_id="m", state="running", config={}, fingerprint="", inputs={}, versions={},
        started_at=datetime.now(UTC), counts=Counts(),
    )  # fmt: skip


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="ledger-speed-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def _s3() -> Iterator[Location]:
    """A bucket of an S3 server in this process; its own work is part of each figure."""
    import boto3
    from moto.server import ThreadedMotoServer

    os.environ |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line a request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket="shop")
        yield Location("s3://shop", endpoint)
    finally:
        server.stop()


_MEASURED: dict[str, Callable[[argparse.Namespace], Iterator[tuple[str, float]]]] = {
    "ids": _ids,
    "staging": _staging,
    "ranges": _ranges,
    "joined": _joined,
    "known": _known,
    "latest": _several_runs,
    "parts": _parts,
}


if __name__ == "__main__":
    main()
