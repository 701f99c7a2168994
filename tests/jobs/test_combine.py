"""Bundles averaged: one that tags, measured on items that all of them hold out."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from tagger.demo.drawn_catalogue import Drawn
from tagger.io.location import Location
from tagger.models.bundle import Bundle
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.decision import DECISION
from tests.builders import predictions_by_id
from tests.conftest import Outcome

Run = Callable[..., Outcome]
pytestmark = pytest.mark.usefixtures("embedded_ray")


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
    document = json.loads(outcome.out)
    alone, both = Bundle.load(Location(str(trained))).card, Bundle.load(Location(str(tmp_path / "both"))).card
    assert [m.model_id for m in both.members] == list(document["members"])
    assert both.calibration.fitted_on == alone.provenance.split_items["val"]
    assert both.familiarity and both.familiarity.held_out == both.calibration.fitted_on
    assert (tmp_path / "both/familiarity.safetensors").exists()
    assert both.metrics[0].levels[Level.ARTICLE_TYPE].accuracy == alone.metrics[0].levels[Level.ARTICLE_TYPE].accuracy
    assert document["members"][alone.model_id]["levels"]["articleType"]["items"] == alone.provenance.split_items["test"]
    assert "Compared with" not in (tmp_path / "both/report/index.html").read_text()
    assert tagger("tag", *inputs, "--model", tmp_path / "both", "--out", tmp_path / "run").code == 0
    one, two = predictions_by_id(run_dir), predictions_by_id(tmp_path / "run")
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
    pq.write_table(pa.Table.from_pylist(some.to_dict("records"), schema=DECISION), decided)
    inputs = ["--manifest", drawn.manifest, "--images", drawn.images, "--average", "weights", "--decisions", decided]
    outcome = tagger("combine", trained, other, *inputs, "--out", tmp_path / "both", "--json")
    assert outcome.code == 0, outcome.err
    common = len(test) - 2 * len(test) // 3
    assert f"Of {len(test):,} test items of a bundle, all hold out only {common:,}" in outcome.err
    card, alone = (Bundle.load(Location(str(where))).card for where in (tmp_path / "both", trained))
    assert (card.members, card.architecture) == ((), alone.architecture)
    assert card.metrics[0].levels[Level.ARTICLE_TYPE].items == common
    weights, member_weights = (load_file(where / "model.safetensors") for where in (tmp_path / "both", trained))
    for name, tensor in member_weights.items():
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
