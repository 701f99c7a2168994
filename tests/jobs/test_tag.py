"""Tagging a drawn catalogue with a trained bundle: every row is accounted for, and nothing is done twice."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

import tagger as package
from tagger.demo.drawn_catalogue import Drawn
from tagger.io.location import Location
from tagger.manifest.manifest import Manifest
from tagger.models.bundle import Bundle
from tagger.schemas.tables.prediction import PREDICTION
from tests.builders import predictions_by_id
from tests.conftest import Outcome

Run = Callable[..., Outcome]
pytestmark = pytest.mark.usefixtures("embedded_ray")


def tag_command(drawn: Drawn, bundle: Path, out: Path) -> list[object]:
    return ["tag", "--manifest", drawn.manifest, "--images", drawn.images, "--model", bundle, "--out", out]


def test_a_run_accounts_for_every_row(run_dir: Path, drawn: Drawn) -> None:
    record = json.loads((run_dir / "run.json").read_text())
    counts = record["counts"]
    rows = predictions_by_id(run_dir)
    assert (run_dir / "_SUCCESS").exists()
    assert not (run_dir / "_work").exists()
    assert counts["rows"] == len(rows) + counts["rejects"] == drawn.items + 2
    assert counts["decisions"] == Counter(rows["decision"])
    assert counts["errors"] == {"not_found": 1, "truncated": 1}
    assert counts["rejectReasons"] == {"blank_id": 1, "duplicate_id": 1}
    assert counts["repaired"] == 1
    rejects = pq.ParquetDataset(run_dir / "rejects").read().to_pylist()
    assert sorted(r["reason"] for r in rejects) == ["blank_id", "duplicate_id"]


def test_predictions_keep_their_schema_and_their_promises(run_dir: Path, trained: Path, drawn: Drawn) -> None:
    for part in (run_dir / "predictions").iterdir():
        assert pq.read_schema(part).remove_metadata().equals(PREDICTION.remove_metadata())
    rows = predictions_by_id(run_dir)
    card = Bundle.load(Location(str(trained))).card
    good = rows[rows["decision"] != "failed"]
    pairs = set(zip(good["masterCategory"], good["articleType"], strict=True))
    assert pairs <= set(card.taxonomy.index)
    assert good["articleTypeConfidence"].between(0, 1).all()
    assert good["alternatives"].map(len).eq(5).all()
    assert all(a[0]["confidence"] >= a[4]["confidence"] for a in good["alternatives"])
    assert set(rows["modelId"]) == {card.model_id}
    assert rows["imageDigest"].dropna().str.len().eq(64).all()
    missing, truncated = rows.loc[drawn.missing[0]], rows.loc[drawn.truncated[0]]
    assert (missing["errorCode"], truncated["errorCode"]) == ("not_found", "truncated")
    assert pd.isna(missing["masterCategory"])
    assert "blurry_image" in rows.loc[drawn.blurry[0], "reviewReasons"]
    assert rows.loc[drawn.blurry[0], "decision"] == "review"
    unsure = good[(good["masterCategoryConfidence"] < 0.9) | (good["articleTypeConfidence"] < 0.9)]
    assert all("low_confidence" in reasons for reasons in unsure["reviewReasons"])


def test_tagging_again_does_nothing_and_says_so(tagger: Run, run_dir: Path, trained: Path, drawn: Drawn) -> None:
    before = {p: p.stat().st_mtime_ns for p in run_dir.rglob("*")}
    common = tag_command(drawn, trained, run_dir)
    again = tagger(*common)
    assert again.code == 0
    assert "nothing to do" in again.err
    assert {p: p.stat().st_mtime_ns for p in run_dir.rglob("*")} == before
    other = tagger(*common, "--accept-above", "0.5")
    assert other.code == 2
    assert "--accept-above was not given" in other.err


def test_more_failures_than_allowed_exit_with_4_and_keep_the_run(
    tagger: Run, run_dir: Path, trained: Path, drawn: Drawn
) -> None:
    common = tag_command(drawn, trained, run_dir)
    assert tagger(*common, "--max-failed", "2").code == 0
    outcome = tagger(*common, "--max-failed", "1")
    assert outcome.code == 4
    assert "2 of 280 items failed" in outcome.err


def test_a_run_goes_on_with_the_parts_that_are_missing(
    tagger: Run, trained: Path, drawn: Drawn, tmp_path: Path
) -> None:
    common = tag_command(drawn, trained, tmp_path / "r")
    assert tagger(*common, "--part-rows", 100).code == 0
    parts = sorted((tmp_path / "r/predictions").iterdir())
    assert len(parts) == 3
    whole = predictions_by_id(tmp_path / "r")
    first_part, missing_part = parts[0].read_bytes(), parts[1]
    # What a run leaves that was killed between two parts: no _SUCCESS, shards still there, one part missing.
    stage_again(tmp_path / "r", drawn)
    missing_part.unlink()
    outcome = tagger(*common, "--part-rows", 100)
    assert outcome.code == 0, outcome.err
    assert "Going on: 180 of 280" in outcome.err
    assert parts[0].read_bytes() == first_part
    again = predictions_by_id(tmp_path / "r")
    assert again.drop(columns="taggedAt").astype(str).equals(whole.drop(columns="taggedAt").astype(str))
    assert set(again["runId"]) == set(whole["runId"])


def stage_again(run: Path, drawn: Drawn) -> None:
    from tagger.runs.staging import stage
    from tests.builders import catalog_of

    (run / "_SUCCESS").unlink()
    manifest, store = catalog_of(drawn.manifest, drawn.images)
    stage(manifest, store, Location(str(run / "_work")), Location(str(run / "rejects")), 100)


def test_only_untagged_items_are_tagged_when_asked(tagger: Run, trained: Path, drawn: Drawn, tmp_path: Path) -> None:
    outcome = tagger(
        "tag", "--manifest", drawn.manifest, "--images", drawn.images, "--model", trained, "--out", tmp_path / "r",
        "--untagged-only", "--json",
    )  # fmt: skip
    counts = json.loads(outcome.out)["counts"]
    assert counts["predictions"] == drawn.unlabelled
    assert counts["skipped"] == drawn.items - drawn.unlabelled
    assert counts["rows"] == counts["predictions"] + counts["rejects"] + counts["skipped"]


def test_a_run_with_nothing_to_do_has_its_columns_all_the_same(
    tagger: Run, trained: Path, drawn: Drawn, tmp_path: Path
) -> None:
    (tmp_path / "m.csv").write_text("id,masterCategory,articleType\n10001,Apparel,Tshirts\n")
    catalogue = ["--manifest", tmp_path / "m.csv", "--images", drawn.images]
    outcome = tagger("tag", *catalogue, "--model", trained, "--out", tmp_path / "r", "--untagged-only")
    assert outcome.code == 0, outcome.err
    rows = pd.read_parquet(tmp_path / "r/predictions")
    assert (len(rows), list(rows.columns)) == (0, PREDICTION.names)


def test_a_notebook_gives_what_the_job_gives_to_the_last_digit(run_dir: Path, trained: Path, drawn: Drawn) -> None:
    job = predictions_by_id(run_dir)
    ids = list(job["id"])[::-1][:70]  # another order and another number
    labels = pd.read_csv(drawn.manifest, on_bad_lines="skip", dtype=str).dropna(subset=["id"]).set_index("id")
    known = [labels["masterCategory"].get(i) for i in ids]
    known = [k if isinstance(k, str) else None for k in known]
    engine = json.loads((run_dir / "run.json").read_text())["engine"]["engine"]
    notebook = package.Tagger.load(trained, engine).tag([drawn.images / f"{i}.jpg" for i in ids], ids, known)
    assert list(notebook["id"]) == ids
    same = [c for c in PREDICTION.names if c not in ("runId", "taggedAt")]
    expected = job.loc[ids, same].reset_index(drop=True)
    for column in same:
        left, right = notebook[column], expected[column]
        if column.startswith("image") and right.dtype == float:  # whole numbers, and null in a failed row of the job
            left, right = left.astype(float), right.astype(float)
        assert [str(v) for v in left] == [str(v) for v in right], column
    assert (
        notebook["articleTypeConfidence"].dropna().to_numpy() == expected["articleTypeConfidence"].dropna().to_numpy()
    ).all()


def test_a_manifest_that_many_processes_stage_is_tagged_alike(
    trained: Path, drawn: Drawn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tagger: Run
) -> None:
    rows = pd.read_csv(drawn.manifest, dtype=str, on_bad_lines="skip")
    pd.concat([rows, rows[:3]]).to_parquet(tmp_path / "items.parquet", row_group_size=len(rows) // 5)
    command = ["tag", "--manifest", tmp_path / "items.parquet", "--images", drawn.images, "--model", trained, "--out"]
    assert tagger(*command, tmp_path / "whole").code == 0
    ranges = Manifest.ranges
    monkeypatch.setattr("tagger.runs.parallel_staging.WORTH_RANGES", 1)
    monkeypatch.setattr(Manifest, "ranges", lambda manifest: ranges(manifest, least_rows=1))
    done = tagger(*command, tmp_path / "ranges")
    assert (done.code, "Reading the manifest, in 6 ranges" in done.err) == (0, True)
    whole, parts = (predictions_by_id(tmp_path / name) for name in ("whole", "ranges"))
    columns = ["masterCategory", "articleType", "articleTypeConfidence", "decision", "errorCode", "imageDigest"]
    pd.testing.assert_frame_equal(parts[columns].sort_index(), whole[columns].sort_index())
    counts = [json.loads((tmp_path / name / "run.json").read_text())["counts"] for name in ("whole", "ranges")]
    assert counts[0] | {"parts": 0} == counts[1] | {"parts": 0}
    assert counts[0]["rejectReasons"]["duplicate_id"] >= 3
