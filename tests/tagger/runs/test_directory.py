"""A run that is begun: gone on with, refused, or taken back."""

from pathlib import Path

import pytest

from tagger.errors import InputError, UsageError
from tagger.io.completion import mark_complete
from tagger.io.location import Location
from tagger.runs.directory import RunDirectory
from tagger.runs.parts import Spent
from tagger.schemas.documents.run import RunRecord
from tagger.schemas.tables.prediction import PREDICTION

INPUTS = {"manifest": "m.csv 1", "model": "m"}


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    return RunDirectory(Location(str(tmp_path / "run")))


def begun(directory: RunDirectory, **inputs: str) -> RunRecord:
    return directory.begin({"manifest": "m.csv"}, INPUTS | inputs, "m", {})


@pytest.mark.parametrize("error", [UsageError("--device cuda: there is no GPU"), InputError("--images: none")])
def test_a_command_that_is_refused_leaves_no_run(directory: RunDirectory, error: Exception) -> None:
    with pytest.raises(type(error)), directory.removed_if_refused():
        begun(directory)
        raise error
    assert directory.record() is None
    assert directory.root.files() == []


def test_a_run_that_has_a_part_is_not_taken_back(directory: RunDirectory) -> None:
    with pytest.raises(UsageError), directory.removed_if_refused():
        record = begun(directory)
        directory.write_part(0, PREDICTION.empty_table(), {}, Spent(0, None))
        raise UsageError("later")
    assert directory.record() == record


def test_a_folder_of_runs_is_refused_with_the_name_of_its_newest_finished_run(tmp_path: Path) -> None:
    nights = {}
    for name in ("friday", "saturday", "sunday"):
        night = RunDirectory(Location(str(tmp_path / "runs" / name)))
        nights[name] = begun(night)
        if name != "sunday":
            mark_complete(night.root)
    times = {"friday": nights["saturday"].started_at, "saturday": nights["friday"].started_at}
    for name, started_at in times.items():
        folder = Location(str(tmp_path / "runs" / name))
        RunDirectory(folder).write(nights[name].model_copy(update={"started_at": started_at}))
    with pytest.raises(InputError, match=r"there is no run\.json; the newest run in this folder is \S+/runs/friday$"):
        RunDirectory(Location(str(tmp_path / "runs"))).read([])


def test_a_run_that_was_there_before_is_not_taken_back(directory: RunDirectory) -> None:
    record = begun(directory)
    with pytest.raises(UsageError), directory.removed_if_refused():
        assert begun(directory) == record
        raise UsageError("another time")
    assert directory.record() == record


def test_a_run_that_was_begun_with_something_else_is_refused_with_what_differs(directory: RunDirectory) -> None:
    begun(directory)
    directory.write_part(0, PREDICTION.empty_table(), {}, Spent(0, None))
    (directory.work / "staged.json").write_text("{}")
    with pytest.raises(UsageError, match=r"holds another run: what --manifest m\.csv holds has changed since\. Name"):
        begun(directory, manifest="m.csv 2")
