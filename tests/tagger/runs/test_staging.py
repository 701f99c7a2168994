"""Staging is not repeated, unless an earlier version did it, whose shards hold less."""

from pathlib import Path

from tagger.io.location import Location
from tagger.runs.staging import is_staged, read_shard, shard_of, stage
from tests.builders import catalog_of


def test_what_an_earlier_version_staged_is_staged_anew_and_what_this_one_did_is_not(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("id\na\nb\n")
    (tmp_path / "images").mkdir()
    (tmp_path / "images/a.jpg").write_bytes(b"never read")
    work, rejects = Location(str(tmp_path / "work")), Location(str(tmp_path / "rejects"))
    work.mkdir()
    (work / "staged.json").write_text('{"rows": 1, "items": 1}')
    shard_of(work, 0).write_bytes(b"of the earlier version")
    assert is_staged(work)
    staged = stage(*catalog_of(tmp_path / "m.csv", tmp_path / "images"), work, rejects, 100)
    assert (staged.items, read_shard(shard_of(work, 0))["id"].to_pylist()) == (2, ["a", "b"])
    (tmp_path / "m.csv").write_text("id\nc\n")
    again = stage(*catalog_of(tmp_path / "m.csv", tmp_path / "images"), work, rejects, 100)
    assert again == staged
