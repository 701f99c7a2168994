from pathlib import Path

import pytest

from tagger.errors import UsageError
from tagger.io.atomic import temporary_name
from tagger.io.globs import matching_files
from tagger.io.location import Location
from tests.conftest import S3Server


@pytest.fixture(params=["local", "s3"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, s3: S3Server) -> Location:
    if request.param == "local":
        return Location(str(tmp_path / "root"))
    return Location(f"s3://{s3.bucket}/storage-{tmp_path.name}", s3.endpoint)


def test_files_are_written_listed_read_and_deleted(folder: Location) -> None:
    assert not folder.exists()
    folder.mkdir()
    (folder / "b/two.csv").write_text("zwei")
    (folder / "a.csv").write_bytes(b"eins")
    (folder / "_work/x.csv").write_bytes(b"hidden")
    assert [f.uri.removeprefix(folder.uri) for f in folder.files((".csv",))] == ["/a.csv", "/b/two.csv"]
    assert (folder / "b/two.csv").read_bytes() == b"zwei"
    assert [f.name for f in matching_files(folder / "*.csv")] == ["a.csv"]
    (folder / "b").delete()
    assert not (folder / "b/two.csv").exists()
    assert (folder / "a.csv").exists()


def test_a_file_is_replaced_whole_and_leaves_no_temporary_one(folder: Location) -> None:
    folder.mkdir()
    (folder / "x").write_text("before")
    (folder / "x").write_text("after")
    assert (folder / "x").read_bytes() == b"after"
    assert [f.name for f in folder.files()] == ["x"]


def test_what_a_killed_writer_left_is_deleted_and_nothing_else(tmp_path: Path) -> None:
    kept = ["part-0.parquet", ".hidden", ".gitignore", ".a.b", "nested/.crc.0123"]
    left = [temporary_name("part-0.parquet"), f"nested/{temporary_name('part-1.parquet')}"]
    for name in [*kept, *left]:
        (Location(str(tmp_path)) / name).write_text("x")
    Location(str(tmp_path)).delete_temporaries()
    assert sorted(str(f.relative_to(tmp_path)) for f in tmp_path.rglob("*") if f.is_file()) == sorted(kept)


def test_the_stamp_changes_with_the_file(folder: Location) -> None:
    folder.mkdir()
    (folder / "x").write_text("before")
    before = (folder / "x").stamp()
    (folder / "x").write_text("afterwards")
    assert (folder / "x").stamp() != before


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, s3: S3Server) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UsageError, match="--out: cannot write to"):
        Location(str(tmp_path / "file/below")).check_writable("--out")
    with pytest.raises(UsageError, match="--out: cannot write to s3://nobucket"):
        Location("s3://nobucket/run", s3.endpoint).check_writable("--out")


def test_relative_paths_are_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Location("x/y").uri == str(tmp_path / "x/y")
    assert Location("x/y").parent.uri == str(tmp_path / "x")
