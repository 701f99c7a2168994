"""The main job on a drawn catalogue, on an embedded Ray: what a user runs, and what lies there afterwards."""

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

import tagger as package
from tagger.demo.drawn_catalogue import Drawn
from tagger.io.location import Location
from tagger.models.bundle import Bundle
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.decision import DECISION
from tagger.schemas.tables.prediction import PREDICTION
from tests.conftest import Outcome

Run = Callable[..., Outcome]
pytestmark = pytest.mark.usefixtures("embedded_ray")


def flags(settings: dict[str, object]) -> list[object]:
    return [part for name, value in settings.items() for part in (f"--{name.replace('_', '-')}", value)]


@pytest.fixture(scope="module")
def trained(
    drawn: Drawn, small_training: dict[str, object], tmp_path_factory: pytest.TempPathFactory, embedded_ray: None
) -> Path:
    """A bundle trained for one frozen epoch and a few others."""
    from tagger.jobs.shell.console import Console
    from tagger.jobs.train import run
    from tagger.schemas.configs.train import TrainConfig

    out = tmp_path_factory.mktemp("trained") / "bundle"
    inputs = {"manifest": str(drawn.manifest), "images": str(drawn.images), "out": str(out)}
    config = TrainConfig.model_validate({**inputs, **small_training, "epochs": 10, "frozen_epochs": 1})
    assert run(config, Console(as_json=True, silent=True)) == 0
    return out


@pytest.fixture(scope="module")
def run_dir(trained: Path, drawn: Drawn) -> Path:
    from tagger.jobs.shell.console import Console
    from tagger.jobs.tag import run
    from tagger.schemas.configs.tag import TagConfig

    out = trained.parent / "run"
    config = TagConfig(manifest=str(drawn.manifest), images=str(drawn.images), model=str(trained), out=str(out))
    assert run(config, Console(as_json=True, silent=True)) == 0
    return out


def predictions(run: Path) -> pd.DataFrame:
    return pq.ParquetDataset(run / "predictions").read().to_pandas().set_index("id", drop=False)


def test_a_bundle_says_where_it_came_from(trained: Path, drawn: Drawn) -> None:
    card = Bundle.load(Location(str(trained))).card
    labelled = drawn.items - drawn.unlabelled
    assert sum(card.provenance.split_items.values()) == labelled
    assert [e["epoch"] for e in card.provenance.epochs] == list(range(11))
    assert card.provenance.epochs[-1]["train_loss"] < card.provenance.epochs[0]["train_loss"]
    assert card.provenance.config["seed"] == 0
    assert card.calibration.method == "temperature"
    assert card.calibration.fitted_on == card.provenance.split_items["val"]
    assert card.metrics[0].levels["articleType"].items == card.provenance.split_items["test"]  # type: ignore[index]
    assert card.metrics[0].levels["articleType"].accuracy > 0.4  # type: ignore[index]
    split = pq.read_table(trained / "splits.parquet").to_pandas()
    assert Counter(split["split"]) == {k: v for k, v in card.provenance.split_items.items() if v}
    assert (trained / "report/index.html").stat().st_size > 10_000
    assert not (trained / "_work").exists()
    failed = pq.read_table(trained / "report/failed-images.parquet").to_pylist()
    assert len(failed) == card.provenance.failed_images
    assert pq.read_table(trained / "report/rejects.parquet")["reason"].to_pylist() == ["blank_id", "duplicate_id"]


def test_training_again_does_nothing_and_another_setting_is_refused(
    tagger: Run, trained: Path, drawn: Drawn, small_training: dict[str, object]
) -> None:
    common = ["train", "--manifest", drawn.manifest, "--images", drawn.images, "--out", trained, *flags(small_training)]
    again = tagger(*common, "--epochs", 10, "--frozen-epochs", 1, "--json")
    assert again.code == 0, again.err
    assert "nothing to do" in again.err
    assert json.loads(again.out)["modelId"] == Bundle.load(Location(str(trained))).card.model_id
    other = tagger(*common, "--epochs", 7, "--frozen-epochs", 1)
    assert other.code == 2
    assert "another epochs" in other.err
    relabelled = drawn.manifest.with_name("relabelled.csv")
    relabelled.write_text(drawn.manifest.read_text())
    common[2] = relabelled
    changed = tagger(*common, "--epochs", 10, "--frozen-epochs", 1)
    assert (changed.code, "another manifest" in changed.err) == (2, True)


def test_a_run_accounts_for_every_row(run_dir: Path, drawn: Drawn) -> None:
    record = json.loads((run_dir / "run.json").read_text())
    counts = record["counts"]
    found = predictions(run_dir)
    assert (run_dir / "_SUCCESS").exists()
    assert not (run_dir / "_work").exists()
    assert counts["rows"] == len(found) + counts["rejects"] == drawn.items + 2
    assert counts["decisions"] == Counter(found["decision"])
    assert counts["errors"] == {"not_found": 1, "truncated": 1}
    assert counts["rejectReasons"] == {"blank_id": 1, "duplicate_id": 1}
    assert counts["repaired"] == 1
    rejects = pq.ParquetDataset(run_dir / "rejects").read().to_pylist()
    assert sorted(r["reason"] for r in rejects) == ["blank_id", "duplicate_id"]


def test_predictions_keep_their_schema_and_their_promises(run_dir: Path, trained: Path, drawn: Drawn) -> None:
    for part in (run_dir / "predictions").iterdir():
        assert pq.read_schema(part).remove_metadata().equals(PREDICTION.remove_metadata())
    found = predictions(run_dir)
    card = Bundle.load(Location(str(trained))).card
    good = found[found["decision"] != "failed"]
    pairs = set(zip(good["masterCategory"], good["articleType"], strict=True))
    assert pairs <= set(card.taxonomy.index)
    assert good["articleTypeConfidence"].between(0, 1).all()
    assert good["alternatives"].map(len).eq(5).all()
    assert all(a[0]["confidence"] >= a[4]["confidence"] for a in good["alternatives"])
    assert set(found["modelId"]) == {card.model_id}
    assert found["imageDigest"].dropna().str.len().eq(64).all()
    missing, truncated = found.loc[drawn.missing[0]], found.loc[drawn.truncated[0]]
    assert (missing["errorCode"], truncated["errorCode"]) == ("not_found", "truncated")
    assert pd.isna(missing["masterCategory"])
    assert "blurry_image" in found.loc[drawn.blurry[0], "reviewReasons"]
    assert found.loc[drawn.blurry[0], "decision"] == "review"
    unsure = good[(good["masterCategoryConfidence"] < 0.9) | (good["articleTypeConfidence"] < 0.9)]
    assert all("low_confidence" in reasons for reasons in unsure["reviewReasons"])


def test_tagging_again_does_nothing_and_says_so(tagger: Run, run_dir: Path, trained: Path, drawn: Drawn) -> None:
    before = {p: p.stat().st_mtime_ns for p in run_dir.rglob("*")}
    common = ["tag", "--manifest", drawn.manifest, "--images", drawn.images, "--model", trained, "--out", run_dir]
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
    common = ["tag", "--manifest", drawn.manifest, "--images", drawn.images, "--model", trained, "--out", run_dir]
    assert tagger(*common, "--max-failed", "2").code == 0
    outcome = tagger(*common, "--max-failed", "1")
    assert outcome.code == 4
    assert "2 of 280 items failed" in outcome.err


def test_a_run_goes_on_with_the_parts_that_are_missing(
    tagger: Run, trained: Path, drawn: Drawn, tmp_path: Path
) -> None:
    common = [
        "tag",
        "--manifest",
        drawn.manifest,
        "--images",
        drawn.images,
        "--model",
        trained,
        "--out",
        tmp_path / "r",
    ]
    assert tagger(*common, "--part-rows", 100).code == 0
    parts = sorted((tmp_path / "r/predictions").iterdir())
    assert len(parts) == 3
    whole = predictions(tmp_path / "r")
    kept, lost = parts[0].read_bytes(), parts[1]
    # What a run leaves that was killed between two parts: no _SUCCESS, shards still there, one part missing.
    stage_again(tmp_path / "r", drawn)
    lost.unlink()
    outcome = tagger(*common, "--part-rows", 100)
    assert outcome.code == 0, outcome.err
    assert "Going on: 180 of 280" in outcome.err
    assert parts[0].read_bytes() == kept
    again = predictions(tmp_path / "r")
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
    found = pd.read_parquet(tmp_path / "r/predictions")
    assert (len(found), list(found.columns)) == (0, PREDICTION.names)


def test_a_training_that_diverges_says_so(
    tagger: Run, drawn: Drawn, small_training: dict[str, object], tmp_path: Path
) -> None:
    wild = {**small_training, "lr": 1e18, "head_lr": 1e18, "precision": "float32"}
    catalogue = ["--manifest", drawn.manifest, "--images", drawn.images]
    outcome = tagger("train", *catalogue, "--out", tmp_path / "b", *flags(wild), "--epochs", 2)
    assert outcome.code == 1
    assert "diverged" in outcome.err
    assert "--lr" in outcome.err
    assert not (tmp_path / "b/bundle.json").exists()


def test_a_notebook_gives_what_the_job_gives_to_the_last_digit(run_dir: Path, trained: Path, drawn: Drawn) -> None:
    job = predictions(run_dir)
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
        assert [str(v) for v in left] == [str(v) for v in right], column
    assert (
        notebook["articleTypeConfidence"].dropna().to_numpy() == expected["articleTypeConfidence"].dropna().to_numpy()
    ).all()


def test_evaluating_the_run_on_the_test_split_gives_the_bundles_own_metrics(
    tagger: Run, run_dir: Path, trained: Path, drawn: Drawn, tmp_path: Path
) -> None:
    outcome = tagger(
        "evaluate", "--run", run_dir, "--manifest", drawn.manifest, "--out", tmp_path / "e", "--model", trained,
        "--split", "test", "--json",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    expected = Bundle.load(Location(str(trained))).card.metrics[0].model_dump(mode="json", by_alias=True)
    ours, theirs = found["levels"]["articleType"], expected["levels"]["articleType"]
    bins = "expectedCalibrationError"  # of few items, where the engine's last digits move one into the next bin
    assert ours.pop(bins) == pytest.approx(theirs.pop(bins), abs=0.05)
    assert ours == pytest.approx(theirs, abs=1e-6)
    assert (tmp_path / "e/index.html").exists()


def test_evaluating_counts_what_it_leaves_out(tagger: Run, run_dir: Path, trained: Path, tmp_path: Path) -> None:
    rows = [f"{i},Apparel,Spacesuits" for i in range(10_010, 10_020)]
    (tmp_path / "m.csv").write_text("\n".join(["id,masterCategory,articleType", "10001,Apparel,Tshirts", *rows]) + "\n")
    arguments = ["evaluate", "--run", run_dir, "--manifest", tmp_path / "m.csv", "--out", tmp_path / "e", "--json"]
    found = json.loads(tagger(*arguments, "--include-trained").out)
    assert found["levels"]["articleType"]["items"] == 1
    assert found["outsideTaxonomy"] + found["failed"] == 10
    (tmp_path / "none.csv").write_text("id,kind\n1,x\n")
    missing = tagger("evaluate", "--run", run_dir, "--manifest", tmp_path / "none.csv", "--out", tmp_path / "e")
    assert missing.code == 3
    assert "no column 'masterCategory'" in missing.err


def test_two_workers_learn_what_one_learns(
    tagger: Run, trained: Path, drawn: Drawn, small_training: dict[str, object], tmp_path: Path
) -> None:
    outcome = tagger(
        "train", "--manifest", drawn.manifest, "--images", drawn.images, "--out", tmp_path / "two",
        *flags(small_training), "--epochs", 10, "--frozen-epochs", 1, "--workers", 2, "--json",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    two = json.loads(outcome.out)["metrics"]["levels"]["masterCategory"]["accuracy"]
    one = Bundle.load(Location(str(trained))).card.metrics[0].levels["masterCategory"].accuracy  # type: ignore[index]
    assert min(one, two) > 0.7
    assert abs(one - two) < 0.15  # of some 45 drawn items


def alike(trained: Path, where: Path) -> Path:
    """Another model that says the same of every image."""
    shutil.copytree(trained, where)
    bundle = Bundle.load(Location(str(where)))
    bundle.changed(blur_threshold=(bundle.card.blur_threshold or 1) * 1.001).save(Location(str(where)))
    return where


def test_two_bundles_averaged_are_one_that_tags_and_has_its_own_figures(
    tagger: Run, trained: Path, run_dir: Path, drawn: Drawn, tmp_path: Path
) -> None:
    inputs = ["--manifest", drawn.manifest, "--images", drawn.images]
    twice = tagger("combine", trained, trained, *inputs, "--out", tmp_path / "both")
    assert (twice.code, "is named twice" in twice.err) == (2, True)
    other = alike(trained, tmp_path / "other")
    outcome = tagger("combine", trained, other, *inputs, "--out", tmp_path / "both", "--json")
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    alone, both = Bundle.load(Location(str(trained))).card, Bundle.load(Location(str(tmp_path / "both"))).card
    assert [m.model_id for m in both.members] == list(found["members"])
    assert both.calibration.fitted_on == alone.provenance.split_items["val"]
    assert both.metrics[0].levels[Level.ARTICLE_TYPE].accuracy == alone.metrics[0].levels[Level.ARTICLE_TYPE].accuracy
    assert found["members"][alone.model_id]["levels"]["articleType"]["items"] == alone.provenance.split_items["test"]
    assert "Beside" not in (tmp_path / "both/report/index.html").read_text()
    assert tagger("tag", *inputs, "--model", tmp_path / "both", "--out", tmp_path / "run").code == 0
    one, two = predictions(run_dir), predictions(tmp_path / "run")
    tagged = one["decision"] != "failed"
    assert (one["articleType"][tagged] == two["articleType"][tagged]).all()
    again = tagger("combine", trained, other, *inputs, "--out", tmp_path / "both")
    assert (again.code, "holds a bundle already" in again.err) == (2, True)


def test_averaged_weights_are_one_model_and_too_few_common_items_are_told(
    tagger: Run, trained: Path, drawn: Drawn, tmp_path: Path
) -> None:
    other = alike(trained, tmp_path / "other")
    split = pq.read_table(other / "splits.parquet").to_pandas()
    test = split.index[split["split"] == "test"]
    split.loc[test[: 2 * len(test) // 3], "split"] = "train"
    split.to_parquet(other / "splits.parquet", index=False)
    decided = tmp_path / "decided.parquet"
    some = split.loc[test[-2:], ["id"]].assign(verdict="corrected", masterCategory="Apparel", articleType="Tshirts")
    some = some.assign(decidedBy="me", decidedAt=pd.Timestamp.now(tz="UTC"))
    pq.write_table(pa.Table.from_pandas(some.reindex(columns=DECISION.names), DECISION), decided)
    inputs = ["--manifest", drawn.manifest, "--images", drawn.images, "--average", "weights", "--decisions", decided]
    outcome = tagger("combine", trained, other, *inputs, "--out", tmp_path / "both", "--json")
    assert outcome.code == 0, outcome.err
    common = len(test) - 2 * len(test) // 3
    assert f"Of {len(test):,} test items of a bundle, all hold out only {common:,}" in outcome.err
    card, alone = (Bundle.load(Location(str(where))).card for where in (tmp_path / "both", trained))
    assert (card.members, card.architecture) == ((), alone.architecture)
    assert card.metrics[0].levels[Level.ARTICLE_TYPE].items == common
    weights, own = (load_file(where / "model.safetensors") for where in (tmp_path / "both", trained))
    for name, tensor in own.items():
        torch.testing.assert_close(weights[name], tensor)


def test_bundles_without_held_out_items_in_common_are_refused(
    tagger: Run, trained: Path, drawn: Drawn, tmp_path: Path
) -> None:
    other = alike(trained, tmp_path / "other")
    split = pq.read_table(other / "splits.parquet").to_pandas()
    split["split"] = split["split"].map({"train": "val", "val": "train", "test": "train", "control": "test"})
    split.to_parquet(other / "splits.parquet", index=False)
    inputs = ["--manifest", drawn.manifest, "--images", drawn.images]
    outcome = tagger("combine", trained, other, *inputs, "--out", tmp_path / "both")
    assert (outcome.code, "no items in common" in outcome.err) == (3, True)
    assert not (tmp_path / "both").exists()


def test_a_run_is_compared_with_a_bundle_and_its_mistakes_are_shown(
    tagger: Run, run_dir: Path, trained: Path, drawn: Drawn, tmp_path: Path
) -> None:
    outcome = tagger(
        "evaluate", "--run", run_dir, "--manifest", drawn.manifest, "--images", drawn.images, "--against", trained,
        "--out", tmp_path / "e", "--json",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    test_items = Bundle.load(Location(str(trained))).card.provenance.split_items["test"]
    assert found["against"]["articleType"]["items"] == test_items
    assert found["against"]["articleType"]["only_first"] <= 1  # the same model, by another engine
    page = (tmp_path / "e/index.html").read_text()
    mistakes = pd.read_parquet(tmp_path / "e/items.parquet")
    mistakes = mistakes[mistakes["articleType"] != mistakes["articleTypeTrue"]]
    assert page.count("data:image/jpeg;base64,") >= min(len(mistakes), 24)
    assert "Beside bundle" in page
    groups = pd.read_csv(tmp_path / "e/groups.csv")
    assert set(groups["kind"]) == {"by frequency of the class", "by blur", "by time"}
    judged = ["evaluate", "--run", run_dir, "--manifest", drawn.manifest]
    no_such = tagger(*judged, "--against", tmp_path, "--out", tmp_path)
    assert (no_such.code, "--against" in no_such.err) == (3, True)


def test_the_report_tells_blurry_sharp_and_blurred_items_apart_and_has_a_curve_of_each_epoch(trained: Path) -> None:
    card, report = Bundle.load(Location(str(trained))).card, trained / "report"
    items, groups = pd.read_parquet(report / "items.parquet"), pd.read_csv(report / "groups.csv")
    assert card.blur_threshold is not None
    blurry = int((items["blurScore"] < card.blur_threshold).sum())
    for level in Level:
        found = groups[(groups["kind"] == "by blur") & (groups["level"] == level)].set_index("group")["items"].to_dict()
        expected = {"blurry": blurry, "sharp": len(items) - blurry, "blurred by us": len(items)}
        assert found == {name: count for name, count in expected.items() if count}
    curves = pd.read_csv(report / "curves.csv")
    assert curves["epoch"].tolist() == [*range(11)]
    assert curves["val_loss"].tolist() == [epoch["val_loss"] for epoch in card.provenance.epochs]
    assert [file.stat().st_size > 0 for file in (report / "tensorboard").glob("events.*")] == [True]


def test_a_catalogue_thinned_out_has_the_same_held_out_items(
    tagger: Run, trained: Path, drawn: Drawn, small_training: dict[str, object], tmp_path: Path
) -> None:
    inputs = ["--manifest", drawn.manifest, "--images", drawn.images, *flags(small_training), "--epochs", 1]
    outcome = tagger("train", *inputs, "--unbalance", 8, "--out", tmp_path / "b")
    assert outcome.code == 0, outcome.err
    whole, thinned = (
        pq.read_table(where / "splits.parquet").to_pandas().groupby("split")["id"].agg(set)
        for where in (trained, tmp_path / "b")
    )
    for side in ("val", "test", "control"):
        assert thinned.get(side) == whole.get(side)
    assert thinned["train"] < whole["train"]
    assert 0.15 * len(whole["train"]) < len(thinned["train"]) < 0.7 * len(whole["train"])


def test_the_same_command_makes_the_same_model(
    tagger: Run, trained: Path, drawn: Drawn, small_training: dict[str, object], tmp_path: Path
) -> None:
    common = ["train", "--manifest", drawn.manifest, "--images", drawn.images, *flags(small_training)]
    outcome = tagger(*common, "--epochs", 10, "--frozen-epochs", 1, "--out", tmp_path / "again")
    assert outcome.code == 0, outcome.err
    columns = ["train_loss", "val_loss", "val_accuracy"]
    first, again = (pd.read_csv(out / "report/curves.csv")[columns].to_numpy() for out in (trained, tmp_path / "again"))
    assert len(first) == len(again) == 11
    assert first[:3] == pytest.approx(again[:3], rel=1e-3), "rounding has no time to grow"


def test_the_oldest_items_train_and_the_newest_test(
    tagger: Run, drawn: Drawn, small_training: dict[str, object], tmp_path: Path
) -> None:
    common = ["train", "--manifest", drawn.manifest, "--images", drawn.images, *flags(small_training), "--epochs", 1]
    outcome = tagger(*common, "--out", tmp_path / "b", "--split", "time", "--json")
    assert outcome.code == 0, outcome.err
    dated = pd.read_csv(drawn.manifest, usecols=["id", "year"], dtype=str, on_bad_lines="skip").dropna()
    years = dated.drop_duplicates("id").set_index("id")["year"].astype(int)
    split = pq.read_table(tmp_path / "b/splits.parquet").to_pandas().set_index("id")["split"]
    newest_trained = max(years.get(i, 0) for i in split.index[split == "train"])
    assert all(years.get(i, 9999) >= newest_trained for i in split.index[split == "test"])
    assert "the oldest items train" in (tmp_path / "b/report/index.html").read_text()
    with_a_gap = drawn.manifest.with_name("with-a-gap.csv")
    with_a_gap.write_text(drawn.manifest.read_text() + "99999,Apparel,Tshirts,Red,2012,it has no image\n")
    common[2] = with_a_gap
    grouped = tagger(*common, "--out", tmp_path / "g", "--split", "group")
    assert grouped.code == 0, grouped.err
    split = pq.read_table(tmp_path / "g/splits.parquet").to_pandas().set_index("id")["split"]
    assert "99999" in split.index, "an item without an image is in no group, and no error"
    assert set(split) == {"train", "val", "test", "control"}
    assert "the same image file on one side" in (tmp_path / "g/report/index.html").read_text()
    everybody = split.index.tolist()
    groups = pd.DataFrame({"id": everybody[:60], "imageDigest": "any", "group": [0, 1, 2] * 20, "conflict": False})
    (tmp_path / "copies").mkdir()
    groups.to_parquet(tmp_path / "copies/groups.parquet", index=False)
    together = tagger(*common, "--out", tmp_path / "d", "--split", "group", "--duplicates", tmp_path / "copies")
    assert together.code == 0, together.err
    sides = pq.read_table(tmp_path / "d/splits.parquet").to_pandas().set_index("id")["split"]
    assert groups.assign(side=sides[groups["id"]].to_numpy()).groupby("group")["side"].nunique().tolist() == [1, 1, 1]
    lonely = tagger(*common, "--out", tmp_path / "e", "--split", "stratified", "--duplicates", tmp_path / "copies")
    assert (lonely.code, "--split group alone" in lonely.err) == (2, True)
    missing = tagger(*common, "--out", tmp_path / "c", "--split", "time", "--time-by", "month")
    assert (missing.code, "--time-by month" in missing.err) == (2, True)
    missing = tagger(*common, "--out", tmp_path / "c", "--split", "group", "--group-by", "productId")
    assert (missing.code, "--group-by productId" in missing.err) == (2, True)
