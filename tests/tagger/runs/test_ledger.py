"""Runs are found without a look into them, and the newest prediction of each item with one read of each."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagger.errors import UsageError
from tagger.io.location import Children, Location
from tagger.runs import parts
from tagger.runs.directory import RunDirectory
from tagger.runs.ledger import LedgerEntry, known_runs, latest, newest_first, read_ledger
from tagger.runs.parts import Spent
from tagger.runs.roots import RECORD, run_roots
from tagger.runs.staging import Staged
from tagger.schemas.documents.run import Counts, RunRecord
from tagger.schemas.tables.prediction import PREDICTION
from tests.conftest import S3Server

RECORD_OF = RunRecord(
    run_id="", model_id="m", state="done", config={}, fingerprint="", inputs={}, versions={},
    started_at=datetime(2026, 1, 2, tzinfo=UTC), counts=Counts(),
)  # fmt: skip
KINDS = {"image": ("accept", None), "text": ("review", "not_found"), "failed": ("failed", "not_found")}
BEGAN = datetime(2026, 1, 2, tzinfo=UTC)


def a_run(place: Location, name: str, night: int, items: list[tuple[str, str]], finished: bool = True) -> LedgerEntry:
    """A run of a night with one prediction a part; each of an item and its kind."""
    directory = RunDirectory(place)
    record = RunRecord(
        run_id=name, model_id="m", state="running", config={}, fingerprint="", inputs={}, versions={},
        started_at=BEGAN + timedelta(days=night), counts=Counts(),
    )  # fmt: skip
    directory.write(record)
    for number, (item, kind) in enumerate(items):
        decision, error = KINDS[kind]
        row: dict[str, object] = {
            "id": item, "decision": decision, "errorCode": error, "reviewReasons": [], "modelId": "m", "runId": name,
            "taggedAt": BEGAN,
        }  # fmt: skip
        table = pa.Table.from_pylist([row], schema=PREDICTION)
        directory.write_part(number, table, {}, Spent(1, None))
    if finished:
        record = directory.finish(record, Staged(len(items), len(items), 0, 0, {}, {}, len(items)))
    return LedgerEntry(directory, record, finished)


def expected(runs: list[list[tuple[str, str]]]) -> list[tuple[str, str]]:
    """The rule itself: of each item, the newest with an image, else the newest by its text, else the newest failed."""
    chosen: dict[str, str] = {}
    for wanted in KINDS:
        for night in reversed(range(len(runs))):
            for item, kind in runs[night]:
                if kind == wanted:
                    chosen.setdefault(item, f"{night}")
    return list(chosen.items())


NIGHT = st.lists(
    st.tuples(st.sampled_from("abcde"), st.sampled_from(list(KINDS))), max_size=5, unique_by=lambda r: r[0]
)


@settings(max_examples=25)
@given(nights=st.lists(NIGHT, max_size=4))
def test_the_newest_prediction_with_an_image_counts_then_one_by_text_then_a_failed_one(
    nights: list[list[tuple[str, str]]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = Location(str(tmp_path_factory.mktemp("nights")))
    runs = [a_run(folder / str(n), str(n), n, items) for n, items in enumerate(nights)]
    found = [row for table in latest(runs[::-1]) for row in table.select(["id", "runId"]).to_pylist()]
    assert [(row["id"], row["runId"]) for row in found] == expected(nights)


def test_each_run_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    items = [("a", "image"), ("b", "text"), ("c", "failed")]
    runs = [a_run(Location(f"{tmp_path}/{n}"), str(n), n, items) for n in range(2)]
    opened: list[str] = []
    open_part = parts.open_part

    def counted(part: Location) -> pq.ParquetFile:
        opened.append(str(part))
        return open_part(part)

    monkeypatch.setattr(parts, "open_part", counted)
    assert sum(map(len, latest(runs[::-1]))) == 3
    assert sorted(opened) == sorted(set(opened))
    assert len(opened) == 6


def test_runs_are_found_at_any_depth_but_not_in_hidden_folders_nor_within_a_run(tmp_path: Path) -> None:
    for name in (
        "night-1",
        "shop/nl/night-2",
        "shop/night-3",
        "_work/night-4",
        ".old/night-5",
        "night-1/copies/night-6",
    ):
        a_run(Location(f"{tmp_path}/{name}"), name, 0, [("a", "image")], finished="2" not in name)
    found = {root.folder.path.removeprefix(f"{tmp_path}/"): root.done for root in run_roots(Location(str(tmp_path)))}
    assert found == {"night-1": True, "shop/night-3": True, "shop/nl/night-2": False}
    entries = read_ledger(Location(str(tmp_path)), "RUN")
    assert {entry.record.run_id: entry.done for entry in entries} == found


def test_nothing_below_a_run_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(3):
        a_run(Location(f"{tmp_path}/nights/{n}"), str(n), n, [("a", "image")])
    listed: list[str] = []
    children = Location.children

    def counted(folder: Location) -> Children:
        listed.append(folder.path)
        return children(folder)

    monkeypatch.setattr(Location, "children", counted)
    monkeypatch.setattr(Location, "files", lambda *_: pytest.fail("that would list each part of each run"))
    assert [entry.record.run_id for entry in read_ledger(Location(str(tmp_path)), "RUN")] == ["2", "1", "0"]
    assert sorted(listed) == [str(tmp_path), f"{tmp_path}/nights", *(f"{tmp_path}/nights/{n}" for n in range(3))]


def test_a_bucket_of_runs_is_a_folder_of_runs(s3: S3Server) -> None:
    place = Location(f"s3://{s3.bucket}/ledger/shop", s3.endpoint)
    for name in ("a/night-1", "night-2"):
        a_run(place / name, name, len(name), [("a", "image")], finished=name == "night-2")
    assert [(root.folder.path, root.done) for root in run_roots(place)] == [
        (f"{s3.bucket}/ledger/shop/a/night-1", False),
        (f"{s3.bucket}/ledger/shop/night-2", True),
    ]
    assert [entry.record.run_id for entry in known_runs(place, "--known")] == ["a/night-1", "night-2"]
    assert known_runs(place / "no such folder", "--known") == []


def test_a_run_that_was_rolled_back_counts_no_more_but_its_items_can_still_be_decided(tmp_path: Path) -> None:
    old = a_run(Location(f"{tmp_path}/old"), "old", 0, [("a", "image"), ("c", "text")])
    a_run(Location(f"{tmp_path}/new"), "new", 1, [("a", "image"), ("b", "image"), ("d", "failed")])
    (tmp_path / "new/rollback.json").write_text("{}")
    entries = read_ledger(Location(str(tmp_path)), "RUN")
    assert [(entry.record.run_id, entry.rolled_back) for entry in entries] == [("new", True), ("old", False)]
    assert [(row["id"], row["runId"]) for t in latest(entries) for row in t.to_pylist()] == [("a", "old"), ("c", "old")]
    rows = [row for table in latest(entries, with_rolled_back=True) for row in table.to_pylist()]
    assert [(row["id"], row["decision"]) for row in rows] == [
        ("a", "accept"), ("c", "review"), ("b", "review"), ("d", "failed"),
    ]  # fmt: skip
    assert list(latest([entries[0]])) == []
    assert old.done


def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text(RECORD)
    with pytest.raises(UsageError, match="file is a file; name a run, or a folder of runs"):
        known_runs(Location(f"{tmp_path}/file"), "--known")


def test_a_run_is_newer_than_those_it_knew_even_if_the_clock_was_set_back(tmp_path: Path) -> None:
    days_and_known: dict[str, tuple[int, tuple[str, ...]]] = {
        "monday": (0, ()),
        "tuesday": (-5, ("monday",)),
        "wednesday": (-4, ("tuesday", "deleted")),
        "apart": (-3, ()),
    }
    entries = []
    for name, (days, after) in days_and_known.items():
        update = {"run_id": name, "started_at": BEGAN + timedelta(days=days), "after": after}
        entries.append(
            LedgerEntry(RunDirectory(Location(str(tmp_path / name))), RECORD_OF.model_copy(update=update), True)
        )
    ordered = [entry.record.run_id for entry in newest_first([*entries, entries[0]])]
    assert ordered == ["wednesday", "tuesday", "monday", "apart"]
