"""Trainings on a drawn catalogue, on an embedded Ray: what a user runs, and what lies there afterwards."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from tagger.demo.drawn_catalogue import Drawn
from tagger.io.location import Location
from tagger.jobs.train import next_after
from tagger.models.bundle import Bundle
from tagger.models.evidence import EvidenceModel
from tagger.schemas.configs.train import TrainConfig
from tagger.schemas.documents.taxonomy import Level
from tagger.workflows.train import TrainResult
from tests.conftest import Outcome

Run = Callable[..., Outcome]
pytestmark = pytest.mark.usefixtures("embedded_ray")


def flags(settings: dict[str, object]) -> list[object]:
    return [part for name, value in settings.items() for part in (f"--{name.replace('_', '-')}", value)]


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
    assert "the same image file on one side" in (trained / "report/index.html").read_text()
    assert not (trained / "_work").exists()
    failed = pq.read_table(trained / "report/failed-images.parquet").to_pylist()
    assert len(failed) == card.provenance.failed_images
    assert pq.read_table(trained / "report/rejects.parquet")["reason"].to_pylist() == ["blank_id", "duplicate_id"]


@pytest.mark.parametrize(("control", "command"), [(148, "tag"), (149, "policy")])
def test_after_a_training_comes_a_policy_where_the_control_items_can_show_its_target(
    trained: Path, drawn: Drawn, control: int, command: str
) -> None:
    card = Bundle.load(Location(str(trained))).card
    sides = card.provenance.model_copy(update={"split_items": {"control": control}})
    result = TrainResult(Location("bundle"), card.model_copy(update={"provenance": sides}))
    config = TrainConfig(manifest=str(drawn.manifest), images=str(drawn.images), out="bundle")
    assert next_after(config, result).split()[:3] == ["Next:", "tagger", command]


def test_training_again_does_nothing_and_another_setting_is_refused(
    tagger: Run, trained: Path, drawn: Drawn, small_training: dict[str, object], tmp_path: Path
) -> None:
    common = ["train", "--manifest", drawn.manifest, "--images", drawn.images, "--out", trained, *flags(small_training)]
    again = tagger(*common, "--epochs", 10, "--frozen-epochs", 1, "--json")
    assert again.code == 0, again.err
    assert "nothing to do" in again.err
    assert json.loads(again.out)["modelId"] == Bundle.load(Location(str(trained))).card.model_id
    other = tagger(*common, "--epochs", 7, "--frozen-epochs", 1)
    assert other.code == 2
    assert "another epochs" in other.err
    relabelled = tmp_path / "relabelled.csv"
    relabelled.write_text(drawn.manifest.read_text())
    common[2] = relabelled
    changed = tagger(*common, "--epochs", 10, "--frozen-epochs", 1)
    assert (changed.code, "another manifest" in changed.err) == (2, True)


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


def test_titles_are_learnt_beside_the_images_and_the_images_as_without_them(
    tagger: Run, trained: Path, drawn: Drawn, small_training: dict[str, object], tmp_path: Path
) -> None:
    common = ["train", "--manifest", drawn.manifest, "--images", drawn.images, *flags(small_training)]
    common += ["--epochs", 10, "--frozen-epochs", 1, "--out", tmp_path / "again"]
    refused = tagger(*common, "--title", "name", "--evidence", "gender")
    assert (refused.code, "--title name: the manifest has no such column; it has" in refused.err) == (2, True)
    outcome = tagger(*common, "--title", "productDisplayName", "--evidence", "year, baseColour", "--json")
    assert outcome.code == 0, outcome.err
    columns = ["train_loss", "val_loss", "val_accuracy"]
    first, again = (pd.read_csv(out / "report/curves.csv")[columns].to_numpy() for out in (trained, tmp_path / "again"))
    assert len(first) == len(again) == 11
    assert first[:3] == pytest.approx(again[:3], rel=1e-3), "rounding has no time to grow"

    said = {row["by"]: row for row in json.loads(outcome.out)["evidence"]}
    assert said["image+title+columns"]["articleType"] >= said["image"]["articleType"]
    assert said["title"]["articleType"] > 80, "the drawn titles name their types"
    card = Bundle.load(Location(str(tmp_path / "again"))).card
    taught = EvidenceModel.load(Location(str(tmp_path / "again")), card.model_id)
    assert taught.names == ("productDisplayName", "year", "baseColour")
    assert taught.joins_images
    held_out = {side: set(pd.read_parquet(tmp_path / "again/report" / name)["id"]) for side, name in (
        ("test", "by-image-title-items.parquet"), ("control", "by-image-title-control-items.parquet"),
    )}  # fmt: skip
    sides = pq.read_table(tmp_path / "again/splits.parquet").to_pandas().groupby("split")["id"].agg(set)
    assert all(held_out[side] and held_out[side] <= sides[side] for side in held_out)


def test_the_report_tells_blurry_sharp_and_blurred_items_apart_and_has_a_curve_of_each_epoch(trained: Path) -> None:
    card, report = Bundle.load(Location(str(trained))).card, trained / "report"
    items, groups = pd.read_parquet(report / "items.parquet"), pd.read_csv(report / "groups.csv")
    assert card.blur_threshold is not None
    blurry = int((items["blurScore"] < card.blur_threshold).sum())
    for level in Level:
        items_by_blur = (
            groups[(groups["kind"] == "by blur") & (groups["level"] == level)].set_index("group")["items"].to_dict()
        )
        expected = {"blurry": blurry, "sharp": len(items) - blurry, "blurred on purpose": len(items)}
        assert items_by_blur == {name: count for name, count in expected.items() if count}
    curves = pd.read_csv(report / "curves.csv")
    assert curves["epoch"].tolist() == [*range(11)]
    assert curves["val_loss"].tolist() == [epoch["val_loss"] for epoch in card.provenance.epochs]
    assert [file.stat().st_size > 0 for file in (report / "tensorboard").glob("events.*")] == [True]


def test_a_split_that_the_catalogue_does_not_allow_names_the_flag(tagger: Run, drawn: Drawn, tmp_path: Path) -> None:
    common = [
        "train",
        "--manifest",
        drawn.manifest,
        "--images",
        drawn.images,
        "--min-items",
        8,
        "--out",
        tmp_path / "b",
    ]
    groups = pd.DataFrame({"id": ["1"], "imageDigest": "any", "group": [0], "conflict": False})
    (tmp_path / "copies").mkdir()
    groups.to_parquet(tmp_path / "copies/groups.parquet", index=False)
    for flags_, message in (
        (["--split", "stratified", "--duplicates", tmp_path / "copies"], "--split group alone"),
        (["--split", "time", "--time-by", "month"], "--time-by month"),
        (["--split", "group", "--group-by", "productId"], "--group-by productId"),
    ):
        outcome = tagger(*common, *flags_)
        assert (outcome.code, message in outcome.err) == (2, True), outcome.err
