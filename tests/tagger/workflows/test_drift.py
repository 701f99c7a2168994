"""A run that may be wrong is held from exports until a person has looked, and what it is compared with is right."""

import csv
from pathlib import Path

import numpy as np
import pytest

from tagger.errors import HoldError, InputError, UsageError
from tagger.io.location import Location
from tagger.runs.directory import RunDirectory
from tagger.runs.holds import hold_of
from tagger.schemas.configs.apply import ApplyConfig
from tagger.schemas.configs.drift import DriftConfig
from tagger.schemas.configs.export import ExportConfig, RollbackConfig
from tagger.schemas.configs.tag import RunsConfig
from tagger.schemas.documents.drift import Statistic
from tagger.workflows.apply import apply
from tagger.workflows.drift import DriftResult, check_drift, drift_of
from tagger.workflows.export import export
from tagger.workflows.rollback import rollback
from tagger.workflows.runs import runs as list_runs
from tests.drift_nights import sample, write_night

OTHER_TYPES = (0.05, 0.45, 0.45, 0.025, 0.025)


def check(run: Path, against: Path, **more: object) -> DriftResult:
    return check_drift(DriftConfig.model_validate({"run": str(run), "against": str(against), **more}))


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A folder with three usual nights."""
    rng = np.random.default_rng(0)
    for number in range(3):
        write_night(tmp_path / f"runs/n{number}", sample(rng, 400), number)
    return tmp_path / "runs"


@pytest.fixture
def doubtful(runs: Path) -> Path:
    """A further night of whose types the model is less sure."""
    return write_night(runs / "n3", sample(np.random.default_rng(1), 300, doubt=0.25), 3)


def test_a_usual_night_is_not_held_and_says_what_it_was_compared_with(runs: Path) -> None:
    night = write_night(runs / "n3", sample(np.random.default_rng(2), 300), 3)
    result = check(night, runs)
    assert result.document is not None
    assert (result.document.items, result.document.against_items) == (300, 1200)
    assert result.document.against == ("night-n2", "night-n1", "night-n0")
    assert not result.is_held
    assert drift_of(RunDirectory(Location(str(night)))) == result.document
    assert "This run is like those before." in (night / "drift/drift.html").read_text()
    apply(ApplyConfig(run=str(runs), out=str(runs.parent / "tags")))


def test_a_doubtful_night_is_held_from_every_export_until_it_is_released(runs: Path, doubtful: Path) -> None:
    result = check(doubtful, runs)
    assert result.document is not None
    assert result.is_held
    out = runs.parent / "tags"
    with pytest.raises(HoldError, match=r"n3 is held, and nothing was written: .*--release"):
        apply(ApplyConfig(run=str(runs), out=str(out)))
    target = runs.parent / "map.yaml"
    target.write_text("target: table\nfields:\n  type:\n    of: articleType\n    as: column\n    values: same\n")
    config = {"run": str(runs), "map": str(target), "out": str(runs.parent / "export"), "overwrite": "all"}
    with pytest.raises(HoldError, match="n3 is held"):
        export(ExportConfig.model_validate(config))
    assert not out.exists() and not (runs.parent / "export").exists()
    with (doubtful / "drift/items.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["statistic"] == "confidence"]
    values = [float(row["value"]) for row in rows]
    assert values == sorted(values) and values[0] < 0.6
    page = (doubtful / "drift/drift.html").read_text()
    assert "holds exports" in page and rows[0]["id"] in page
    assert [run.state for run in list_runs(RunsConfig(run=str(doubtful)))] == ["held"]
    check_drift(DriftConfig(run=str(doubtful), release="a new studio"))
    assert [run.state for run in list_runs(RunsConfig(run=str(doubtful)))] == ["done"]
    held = hold_of(RunDirectory(Location(str(doubtful))))
    assert held is not None and held.release is not None
    assert held.release.note == "a new studio"
    apply(ApplyConfig(run=str(runs), out=str(out)))
    assert not check(doubtful, runs).is_held, "a person's word stays when it is checked again"
    page = (doubtful / "drift/drift.html").read_text()
    assert "has released it: a new studio" in page and "are held until" not in page
    with pytest.raises(UsageError, match="is not held"):
        check_drift(DriftConfig(run=str(doubtful), release="again"))


def test_a_night_that_is_taken_back_holds_nothing(runs: Path, doubtful: Path) -> None:
    check(doubtful, runs)
    rollback(RollbackConfig(run=str(doubtful)))
    apply(ApplyConfig(run=str(runs), out=str(runs.parent / "tags")))


def test_other_types_than_usual_are_said_and_nothing_is_held(runs: Path) -> None:
    night = write_night(runs / "n3", sample(np.random.default_rng(3), 400, shares=OTHER_TYPES), 3)
    result = check(night, runs)
    assert result.document is not None
    assert Statistic.LABELS in {finding.statistic for finding in result.document.alarms}
    assert not result.is_held
    assert {result.shares[0].name, result.shares[1].name, result.shares[2].name} == {"Shirts", "Tshirts", "Tops"}


def test_only_earlier_nights_of_the_same_model_that_stand_are_a_reference(runs: Path, doubtful: Path) -> None:
    check(doubtful, runs)  # held: no reference
    write_night(runs / "other", sample(np.random.default_rng(4), 300), 3, model_id="another")
    write_night(runs / "later", sample(np.random.default_rng(5), 300), 9)
    rollback(RollbackConfig(run=str(runs / "n1")))
    night = write_night(runs / "n4", sample(np.random.default_rng(6), 300), 4)
    result = check(night, runs)
    assert result.document is not None
    assert result.document.against == ("night-n2", "night-n0")


def test_pictures_that_were_there_before_do_not_count_and_too_few_are_not_compared(runs: Path) -> None:
    known = sample(np.random.default_rng(0), 400)  # as of the first night
    new = sample(np.random.default_rng(7), 20)
    night = write_night(runs / "n3", type(new).joined([known, new]), 3)
    result = check(night, runs)
    assert result.document is not None
    assert result.document.items == 20
    assert "has 20 pictures that the runs before do not have, and 30 are needed" in result.document.why_not
    assert (result.is_held, result.document.findings) == (False, ())


def test_the_first_night_has_nothing_to_be_compared_with(tmp_path: Path) -> None:
    night = write_night(tmp_path / "runs/n0", sample(np.random.default_rng(0), 100))
    result = check(night, tmp_path / "runs")
    assert result.document is not None
    assert "have 0 pictures, and 200 are needed" in result.document.why_not


def test_plants_say_what_would_be_noticed_at_this_size(runs: Path) -> None:
    night = write_night(runs / "n3", sample(np.random.default_rng(8), 200), 3)
    result = check(night, runs, plant=True, nights=5)
    seen = {str(of.plant): of.seen for of in result.power}
    assert seen["nothing"] <= 1
    assert seen["swapped"] == 5
    assert "What would be noticed at this size" in (night / "drift/drift.html").read_text()


def test_what_is_no_finished_run_is_refused(runs: Path) -> None:
    (runs / "n2/_SUCCESS").unlink()
    with pytest.raises(InputError, match="not a finished run"):
        check(runs / "n2", runs)
    with pytest.raises(ValueError, match="against is missing"):
        DriftConfig(run=str(runs / "n1"))
