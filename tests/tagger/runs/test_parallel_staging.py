"""A manifest that is staged in ranges gives what one that is read from its start gives."""

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ray import cloudpickle

from tagger.images.stores import open_store
from tagger.io.location import Location
from tagger.manifest.manifest import Manifest
from tagger.manifest.selection import Before, Selection, already_labelled
from tagger.runs.parallel_staging import ranges_to_stage, stage_ranges, staging_keys
from tagger.runs.range_staging import ID_ROW, BucketsOfRanges, RangeStaging
from tagger.runs.shard_sizes import cut_ranges
from tagger.runs.staging import Staged, read_shard, shard_of, stage
from tagger.schemas.configs.check import CheckConfig

PART_ROWS = 50


class KilledError(Exception):
    """The command was killed."""


class InCopies:
    """Calls a method of copies, as other processes do, in any order; perhaps it is killed after some calls."""

    def __init__(self, seed: int = 0, calls: int | None = None) -> None:
        self._random = random.Random(seed)
        self.left = calls
        self.done: list[str] = []

    def __call__(self, method: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
        sent = cloudpickle.dumps(method)
        for number in self._random.sample(range(len(arguments)), len(arguments)):
            if self.left == len(self.done):
                raise KilledError
            self.done.append(method.__name__)
            yield number, cloudpickle.loads(sent)(*arguments[number])


class Night:
    """A manifest and its staging into a folder."""

    def __init__(self, folder: Path, manifest: Path, out: str, least_rows: int = 40) -> None:
        config = CheckConfig(manifest=str(manifest), images=f"{folder}/{{id}}.jpg")
        self.manifest = Manifest(Location(config.manifest), config)
        self.store = open_store(config, self.manifest)
        rules = [("labelled", already_labelled(self.manifest))]
        self.since = Before("changed", "2026-11-01", self.manifest.columns)
        self.selection = Selection([*rules, ("before_since", self.since)])
        self.work, self.rejects = Location(str(folder / out / "_work")), Location(str(folder / out / "rejects"))
        self.least_rows = least_rows

    def in_ranges(self, tasks: InCopies, workers: int = 2) -> Staged:
        keys = staging_keys(self.work, self.rejects, ("title",))
        staging = RangeStaging(self.manifest, self.store, self.selection, ("title",), self.work, self.rejects, keys)
        ranges = self.manifest.ranges(self.least_rows)
        return stage_ranges(staging, ranges, PART_ROWS, lambda _: None, workers, tasks)

    def from_the_start(self) -> Staged:
        return stage(self.manifest, self.store, self.work, self.rejects, PART_ROWS, self.selection, ["title"])

    def result(self, staged: Staged) -> dict[str, Any]:
        """All that a staging leaves behind, but how it cuts shards, and repetitions that it counts in each batch."""
        shards = [read_shard(shard_of(self.work, n)) for n in range(staged.shards)]
        assert all(0 < len(shard) <= PART_ROWS for shard in shards)
        rejects = [row for file in self.rejects.files() for row in read_shard(file).to_pylist()]
        return {
            "items": [row for shard in shards for row in shard.to_pylist()],
            "rejects": sorted(rejects, key=lambda row: (row["file"], row["line"])),
            "counts": {name: value for name, value in staged.__dict__.items() if name != "shards"},
            "notices": sorted(n for n in self.manifest.notices.texts if "the row before them" not in n),
            "remarks": self.selection.remarks(),
        }


def write(folder: Path, ids: Sequence[str | None], files: int, group_rows: int) -> Path:
    """A folder of Parquet files with these ids, in small row groups."""
    manifest = folder / "manifest"
    manifest.mkdir()
    rng = np.random.default_rng(0)
    rows = pa.table(
        {
            "id": pa.array(ids, pa.string()),
            "masterCategory": pa.array([("Apparel", None, " Apparel ")[n % 3] for n in range(len(ids))], pa.string()),
            "articleType": pa.array([("Tops", "", "n/a", "Tops")[n % 4] for n in range(len(ids))], pa.string()),
            "changed": pa.array([("2026-11-20", "2026-10-01", None)[n] for n in rng.integers(0, 3, len(ids))]),
            "title": pa.array([f"title {n}" for n in range(len(ids))]),
        }
    )
    each = max(1, -(-len(rows) // files))
    for number in range(files):
        pq.write_table(rows.slice(number * each, each), manifest / f"{number}.parquet", row_group_size=group_rows)
    return manifest


def same(folder: Path, manifest: Path, least_rows: int = 40) -> dict[str, Any]:
    whole, parts = Night(folder, manifest, "whole"), Night(folder, manifest, "parts", least_rows)
    expected, found = whole.result(whole.from_the_start()), parts.result(parts.in_ranges(InCopies()))
    assert found == expected
    return found


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    ids=st.lists(st.one_of(st.none(), st.just(" "), st.integers(0, 120).map("sku-{}".format)), max_size=300),
    files=st.integers(1, 4),
    group_rows=st.integers(1, 90),
    least_rows=st.integers(1, 400),
)
def test_a_manifest_in_ranges_gives_the_same_items_rejects_counts_and_notices(
    tmp_path_factory: pytest.TempPathFactory, ids: list[str | None], files: int, group_rows: int, least_rows: int
) -> None:
    folder = tmp_path_factory.mktemp("night")
    found = same(folder, write(folder, ids, files, group_rows), least_rows)
    counts = found["counts"]
    skipped = sum(counts["skip_reasons"].values())
    assert len(ids) == counts["rows"] == len(found["items"]) + len(found["rejects"]) + skipped


def test_a_repeated_id_names_the_row_at_which_it_was_read_first_in_another_file(tmp_path: Path) -> None:
    ids = [f"sku-{n}" for n in range(100)]
    found = same(tmp_path, write(tmp_path, [*ids, "sku-7"], 3, 10))
    (reject,) = found["rejects"]
    assert (reject["reason"], reject["file"][-9:]) == ("duplicate_id", "2.parquet")
    assert "'sku-7' was read before, at row 8" in reject["message"]


def test_a_file_that_repeats_another_is_named_when_it_is_read_in_several_ranges(tmp_path: Path) -> None:
    ids = [f"sku-{n}" for n in range(100)]
    found = same(tmp_path, write(tmp_path, ids * 2, 2, 10))
    (notice,) = found["notices"]
    assert "1.parquet: 100 of its 100 ids were read before, as in" in notice
    assert notice.partition("as in")[2].split(";")[0].endswith("0.parquet")


def test_ids_with_a_point_are_read_alike_in_all_ranges_of_a_file(tmp_path: Path) -> None:
    found = same(tmp_path, write(tmp_path, [f"{n}.0" for n in range(100)], 1, 10))
    assert all("." not in item["id"] for item in found["items"])
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    found = same(mixed, write(mixed, [*(f"{n}.0" for n in range(99)), "x"], 1, 10))
    assert all(item["id"].endswith(".0") for item in found["items"] if item["id"] != "x")


def test_a_killed_staging_goes_on_where_it_was_and_gives_the_same(tmp_path: Path) -> None:
    manifest = write(tmp_path, [f"sku-{n % 250}" for n in range(300)], 3, 20)
    whole, once = Night(tmp_path, manifest, "whole"), InCopies()
    expected = whole.result(whole.from_the_start())
    Night(tmp_path, manifest, "once").in_ranges(once)
    for calls in range(len(once.done)):
        out, before, after = f"killed-{calls}", InCopies(1, calls), InCopies(2)
        with pytest.raises(KilledError):
            Night(tmp_path, manifest, out).in_ranges(before)
        night = Night(tmp_path, manifest, out)
        assert night.result(night.in_ranges(after, workers=9)) == expected
        stagings = before.done.count("stage") + after.done.count("stage")
        assert stagings == once.done.count("stage")
        assert not (night.work / "ranges").exists()


def test_what_a_staging_from_the_start_has_left_is_no_part_of_one_in_ranges(tmp_path: Path) -> None:
    manifest = write(tmp_path, ["a", None, "b", "a", *(f"sku-{n}" for n in range(100))], 2, 20)
    whole, parts = Night(tmp_path, manifest, "whole"), Night(tmp_path, manifest, "parts")
    expected = whole.result(whole.from_the_start())
    (parts.rejects / "part-00099.parquet").write_bytes((whole.rejects.files()[0]).read_bytes())
    assert parts.result(parts.in_ranges(InCopies())) == expected


def test_a_finished_staging_is_not_repeated(tmp_path: Path) -> None:
    manifest = write(tmp_path, [f"sku-{n}" for n in range(100)], 2, 20)
    staged = Night(tmp_path, manifest, "out").in_ranges(InCopies())
    again = InCopies()
    assert Night(tmp_path, manifest, "out").in_ranges(again) == staged
    assert not again.done


def test_hashes_that_share_one_half_are_different_ids() -> None:
    """Nobody finds such ids within the time of a test, so that the hashes are made for it."""
    first = np.array([(5, 7, 0), (5, 8, 1), (6, 7, 2)], ID_ROW)
    second = np.array([(5, 9, 0), (5, 8, 1), (5, 7, 2), (5, 9, 3)], ID_ROW)
    piece = BucketsOfRanges(0, ((0, 3), (0, 4)), (0, 3))
    assert piece.repeats(iter([first, second])).tolist() == [(1, 1, 2), (1, 2, 1), (1, 3, 4)]


@given(st.lists(st.integers(0, 5000), max_size=5), st.integers(1, 500), st.integers(1, 50))
def test_ranges_are_cut_whole(items: list[int], part_rows: int, workers: int) -> None:
    sizes = cut_ranges(items, part_rows, workers)
    assert [sum(of_range) for of_range in sizes] == items
    assert all(0 < rows <= part_rows for of_range in sizes for rows in of_range)


def test_a_small_manifest_is_read_from_its_start(tmp_path: Path) -> None:
    night = Night(tmp_path, write(tmp_path, ["a", "b"], 1, 1), "out")
    assert not ranges_to_stage(night.manifest, night.store, night.selection)
