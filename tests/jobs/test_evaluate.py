"""What a run is judged by: only items that say something of its model, and every labelled item is accounted for."""

import json
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from tagger.io.location import Location
from tagger.io.parquet import write_parquet
from tagger.models.bundle import Bundle
from tagger.runs.directory import RunDirectory
from tagger.schemas.configs.evaluate import EvaluateConfig
from tagger.schemas.documents.run import Counts, RunRecord
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.prediction import PREDICTION
from tagger.workflows.evaluate import evaluate
from tests.conftest import Outcome

Run = Callable[..., Outcome]
pytestmark = pytest.mark.slow
_TAUGHT = 40


@pytest.fixture
def judged(bundle: Bundle, bundle_dir: Path, tmp_path: Path) -> Path:
    """A folder of a bundle, a run of it over 55 of 60 labelled items, and their labels.

    Of the items, 0 to 39 are of a leaf that the bundle knows, where 0 to 19 trained it and 39 failed; 40 to 59 are of
    a leaf that it does not know. One of the counted ones is wrong.
    """
    shutil.copytree(bundle_dir, tmp_path / "bundle")
    sides = ["train"] * 20 + ["test"] * 20 + ["train"] * 5
    pd.DataFrame({"id": [str(n) for n in range(45)], "split": sides}).to_parquet(tmp_path / "bundle/splits.parquet")
    leaf, other = bundle.card.taxonomy.leaves[0], bundle.card.taxonomy.leaves[-1]
    rows = [f"{n},{leaf.masterCategory},{leaf.articleType if n < _TAUGHT else 'Spacesuits'}" for n in range(60)]
    (tmp_path / "m.csv").write_text("\n".join(["id,masterCategory,articleType", *rows]) + "\n")
    make_run(tmp_path / "run", bundle, {str(n): other if n == 30 else leaf for n in range(55)}, failed={"39"})
    return tmp_path


def make_run(
    folder: Path,
    bundle: Bundle,
    leaves: Mapping[str, object],
    failed: set[str],
    more: Mapping[str, Mapping[str, object]] | None = None,
    attributes: Mapping[str, tuple[str, ...]] | None = None,
) -> None:
    """A finished run of a bundle; `more` has further columns of the predictions by id."""
    directory, now = RunDirectory(Location(str(folder))), datetime(2026, 1, 1, tzinfo=UTC)
    rows: list[dict[str, object]] = [
        {
            "id": item,
            "masterCategory": None if item in failed else leaf.masterCategory,  # type: ignore[attr-defined]
            "masterCategoryConfidence": None if item in failed else 0.9,
            "articleType": None if item in failed else leaf.articleType,  # type: ignore[attr-defined]
            "articleTypeConfidence": None if item in failed else 0.8,
            "alternatives": [],
            "decision": "failed" if item in failed else "accept",
            "reviewReasons": [],
            "blurScore": None if item in failed else 100.0,
            "modelId": bundle.card.model_id,
            "runId": "r",
            "taggedAt": now,
            **(more or {}).get(item, {}),
        }
        for item, leaf in leaves.items()
    ]
    write_parquet(directory.predictions / "part-00000.parquet", pa.Table.from_pylist(rows, schema=PREDICTION))
    record = RunRecord(
        run_id="r", model_id=bundle.card.model_id, state="done", config={"model": str(folder.parent / "bundle")},
        fingerprint="f", inputs={}, versions={}, counts=Counts(), started_at=now, finished_at=now,
        attributes=dict(attributes or {}),
    )  # fmt: skip
    directory.write(record)
    (folder / "_SUCCESS").write_bytes(b"")


def evaluated(tagger: Run, folder: Path, *flags: object) -> tuple[dict[str, object], str]:
    given = ["--run", folder / "run", "--manifest", folder / "m.csv", "--out", folder / "e", *flags]
    outcome = tagger("evaluate", *given, "--json")
    assert outcome.code == 0, outcome.err
    return json.loads(outcome.out), outcome.err


def test_the_runs_own_bundle_says_which_items_count(tagger: Run, judged: Path) -> None:
    found, said = evaluated(tagger, judged)
    assert found["counts"] == {
        "labelled": 60, "counted": 19, "trainedOn": 25, "unknownLeaves": 10, "failed": 1, "notInRun": 5,
    }  # fmt: skip
    assert found["levels"]["articleType"]["items"] == 19  # type: ignore[index]
    assert found["levels"]["articleType"]["accuracy"] == pytest.approx(18 / 19)  # type: ignore[index]
    assert "not at hand" not in said
    shown = tagger("evaluate", "--run", judged / "run", "--manifest", judged / "m.csv", "--out", judged / "e").out
    assert "The run on 19 of 60 labelled items" in shown
    assert "25 trained the model (--include-trained counts them)" in shown
    assert "10 of leaves that the model does not know, 1 failed, 5 not in the run" in shown
    assert "Macro F1 is the mean over the classes with 5 or more of these items" in shown


def test_trained_items_count_where_that_is_asked_for_and_a_side_by_itself(tagger: Run, judged: Path) -> None:
    counts, _ = evaluated(tagger, judged, "--include-trained")
    assert counts["counts"]["counted"] == 39  # type: ignore[index]
    side, _ = evaluated(tagger, judged, "--split", "train")
    assert (side["counts"]["labelled"], side["counts"]["counted"]) == (25, 20)  # type: ignore[index]


def test_labels_that_the_bundle_merged_are_merged(tagger: Run, judged: Path, bundle: Bundle) -> None:
    leaf = next(leaf for leaf in bundle.card.taxonomy.leaves if leaf.masterCategory == "Free Items")
    shutil.rmtree(judged / "run")
    make_run(judged / "run", bundle, {"38": leaf}, failed=set())
    (judged / "m.csv").write_text(f"id,masterCategory,articleType\n38,Home,{leaf.articleType}\n")
    found, _ = evaluated(tagger, judged)
    assert found["levels"]["masterCategory"]["accuracy"] == 1  # type: ignore[index]


def test_a_bundle_that_is_gone_or_was_trained_anew_is_said_aloud(tagger: Run, judged: Path) -> None:
    (judged / "bundle").rename(judged / "moved")
    found, said = evaluated(tagger, judged)
    assert "is not at hand" in said
    assert "--model" in said
    assert found["counts"]["counted"] == 54  # type: ignore[index]
    again, _ = evaluated(tagger, judged, "--model", judged / "moved")
    assert again["counts"]["counted"] == 19  # type: ignore[index]
    asked = ["--run", judged / "run", "--manifest", judged / "m.csv", "--out", judged / "e", "--split", "test"]
    refused = tagger("evaluate", *asked)
    assert (refused.code, "name it with --model" in refused.err) == (2, True)


def test_where_nothing_counts_the_reasons_are_named(tagger: Run, judged: Path) -> None:
    rows = (judged / "m.csv").read_text().splitlines()
    (judged / "m.csv").write_text("\n".join([*rows[:11], *rows[46:]]) + "\n")
    asked = ["--run", judged / "run", "--manifest", judged / "m.csv", "--out", judged / "e"]
    refused = tagger("evaluate", *asked)
    assert refused.code == 3
    assert "not one of 25 labelled items counts: 10 trained the model" in refused.err


def test_a_comparison_says_how_large_the_difference_is_and_how_sure(tagger: Run, judged: Path, bundle: Bundle) -> None:
    (judged / "other").mkdir()
    leaf, wrong = bundle.card.taxonomy.leaves[0], bundle.card.taxonomy.leaves[-1]
    make_run(judged / "other/run", bundle, {str(n): wrong if n < 28 else leaf for n in range(55)}, failed=set())
    found, _ = evaluated(tagger, judged, "--against", judged / "other/run")
    difference = found["against"]["articleType"]  # type: ignore[index]
    assert (difference["items"], difference["only_first"], difference["only_second"]) == (19, 8, 1)
    assert difference["accuracy"] == pytest.approx(7 / 19)
    assert 0 < difference["lowest"] < 7 / 19 < difference["highest"] < 1
    shown = tagger(
        "evaluate", "--run", judged / "run", "--manifest", judged / "m.csv", "--against", judged / "other/run",
        "--out", judged / "e",
    ).out  # fmt: skip
    assert "+36.84" in shown
    assert "articleType: that is more than chance would give (McNemar's exact test, p = 0.0391)." in shown
    assert "The classes whose F1 differs most: " in shown
    assert shown.splitlines()[-1] == f"Next: tagger policy {judged / 'bundle'} --target-precision 0.95"


def test_a_run_compared_with_itself_differs_nowhere(tagger: Run, judged: Path) -> None:
    shown = tagger(
        "evaluate", "--run", judged / "run", "--manifest", judged / "m.csv", "--against", judged / "run",
        "--out", judged / "e",
    ).out  # fmt: skip
    assert "articleType: both are right on the same items." in shown
    assert "differs most" not in shown


def test_a_run_is_judged_in_python_without_a_word_on_standard_output(
    judged: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = EvaluateConfig(run=str(judged / "run"), manifest=str(judged / "m.csv"), out=str(judged / "e"))
    result = evaluate(config)
    assert (result.counted.counted, result.differences) == (19, {})
    assert result.metrics.levels[Level.ARTICLE_TYPE].accuracy == pytest.approx(18 / 19)
    assert result.report.exists()
    assert capsys.readouterr().out == ""
