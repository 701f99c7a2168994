"""Attributes: taught to a bundle, measured, predicted by the tag job, accepted by their policies."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tagger import Tagger, TrainConfig, train
from tagger.demo.drawn_catalogue import Drawn, draw_catalogue
from tagger.io.location import Location
from tagger.models.bundle import Bundle
from tagger.schemas.documents.bundle import AttributePolicy, LevelPolicy
from tagger.schemas.documents.run import EngineCheck
from tagger.schemas.tables.prediction import Evidence
from tests.conftest import Outcome

Run = Callable[..., Outcome]
pytestmark = pytest.mark.usefixtures("embedded_ray")
VALUES = {"warm", "cold", "grey"}


def test_attributes_are_taught_measured_predicted_and_known_again(
    tagger: Run, shop: pd.DataFrame, drawn: Drawn, tmp_path: Path
) -> None:
    bundle, manifest = tmp_path / "bundle", tmp_path / "shop.csv"
    tag = ["tag", "--manifest", manifest, "--images", drawn.images, "--model", bundle, "--json", "--out"]
    assert tagger(*tag, tmp_path / "plain", "--embeddings").code == 0
    taught = tagger("evidence", bundle, "--manifest", manifest, "--title", "title", "--run", tmp_path / "plain")
    assert taught.code == 0, taught.err
    assert tagger(*tag, tmp_path / "no-vectors", "--evidence", "image").code == 0
    teach = ["attributes", bundle, "--manifest", manifest, "--attribute", "tone,baseColour", "--run"]
    assert "has no image vectors" in tagger(*teach, tmp_path / "no-vectors").err

    outcome = tagger(*teach, tmp_path / "plain", "--json")
    assert outcome.code == 0, outcome.err
    assert "--attribute baseColour: left out. 0 of its values are those of 20 training items or more" in outcome.err
    (tone,) = json.loads(outcome.out).values()
    labelled = shop[(shop["split"] == "test") & (shop["tone"] != "NA")]
    assert 0 < tone["items"] <= len(labelled), "what has no label is not measured"
    assert tone["by"]["image"]["accuracy"] > tone["mostFrequent"] + 0.1, "layouts have the colours"
    assert set(tone["by"]) == {"image", "title", "image+title"}

    assert tagger(*tag, tmp_path / "all", "--evidence", "all").code == 0
    tagged = pd.read_parquet(tmp_path / "all/predictions").set_index("id")
    attributes = tagged.loc[tagged["decision"] != "failed", "attributes"].map(lambda found: found[0])
    assert set(attributes.map(lambda one: one["value"])) <= VALUES
    assert set(attributes.map(lambda one: (one["confidence"] > 0.9) == (one["decision"] == "accept"))) == {True}
    assert tagged.loc[tagged["decision"] == "failed", "attributes"].isna().all()
    assert json.loads((tmp_path / "all/run.json").read_text())["attributes"]["tone"]
    assert_held_out_items_are_tagged_as_they_were_measured(bundle, attributes)
    assert_python_says_the_same(tmp_path, shop, drawn, tagged)

    second = tagger(*tag, tmp_path / "second", "--evidence", "all", "--known", tmp_path / "all")
    failed = int((tagged["decision"] == "failed").sum())
    assert json.loads(second.out)["counts"]["predictions"] == failed, second.err
    level = LevelPolicy(target_precision=0.4, accept_above=0.5, coverage=1, precision=1, at_least=0.4)
    policy = AttributePolicy(probability=0.9, fitted_on={}, by_evidence={Evidence.IMAGE_AND_TITLE: level})
    folder = Location(str(bundle))
    Bundle.load(folder).changed(attribute_policies={"tone": policy}).save(folder)
    third = tagger(*tag, tmp_path / "third", "--evidence", "all", "--known", tmp_path / "all")
    counts = json.loads(third.out)["counts"]
    anew = pd.read_parquet(tmp_path / "third/predictions").set_index("id")
    tagged_anew = int((anew["decision"] != "failed").sum())
    assert sum(counts["attributes"]["tone"].values()) == tagged_anew
    assert counts["redecided"] == len(anew) - failed > 0, "another policy decides stored attributes again"
    before = attributes[anew.index.intersection(attributes.index)].map(lambda one: (one["value"], one["confidence"]))
    now = anew.loc[before.index, "attributes"].map(lambda found: (found[0]["value"], found[0]["confidence"]))
    assert now.equals(before), "without a look at the image"
    by_both = [one for (one,) in anew["attributes"].dropna() if one["evidence"] == "image+title"]
    assert by_both and all((one["confidence"] >= 0.5) == (one["decision"] == "accept") for one in by_both)

    other = tagger(*tag, tmp_path / "other", "--evidence", "image", "--known", tmp_path / "all")
    assert json.loads(other.out)["counts"]["predictions"] == len(tagged), "other evidence says other attributes"

    again = tagger("evidence", bundle, "--manifest", manifest, "--title", "title", "--run", tmp_path / "plain")
    assert "teach them once more" in again.err
    assert Bundle.load(Location(str(bundle))).card.attribute_policies == {}
    assert tagger(*tag, tmp_path / "without", "--evidence", "all").code == 0
    assert pd.read_parquet(tmp_path / "without/predictions")["attributes"].isna().all()


def assert_held_out_items_are_tagged_as_they_were_measured(bundle: Path, attributes: pd.Series) -> None:
    measured = pd.read_parquet(bundle / "report/attributes.parquet")
    of_test = measured[(measured["side"] == "test") & (measured["evidence"] == "image+title")].set_index("id")
    found = attributes[of_test.index].map(lambda one: (one["value"], one["confidence"]))
    assert len(found) > 20
    assert [value for value, _ in found] == of_test["value"].tolist()
    assert np.array([sure for _, sure in found]) == pytest.approx(of_test["confidence"].to_numpy(), abs=2e-3)


def assert_python_says_the_same(folder: Path, shop: pd.DataFrame, drawn: Drawn, tagged: pd.DataFrame) -> None:
    """Assert that `Tagger` predicts from images and titles what the run did."""
    record = json.loads((folder / "all/run.json").read_text())
    model = Tagger.load(folder / "bundle", engine=EngineCheck.model_validate(record["engine"]))
    some = shop.iloc[:30]
    images = [drawn.images / f"{item}.jpg" for item in some["id"]]
    here = model.tag(images, some["id"], titles=some["title"]).set_index("id")
    assert here["attributes"].astype(str).equals(tagged.loc[here.index, "attributes"].astype(str)), "to the last digit"


def test_training_teaches_attributes_from_every_image_of_an_item(
    tagger: Run, small_training: dict[str, object], tmp_path: Path
) -> None:
    drawn = draw_catalogue(tmp_path, 240, seed=5, views=0.5)
    items = pd.read_csv(drawn.manifest, dtype=str, on_bad_lines="skip")
    items["tone"] = (
        items["baseColour"].isin(["Black", "Navy Blue", "Brown", "Purple"]).map({True: "dark", False: "bright"})
    )
    items.to_csv(tmp_path / "tones.csv", index=False)
    catalogue = {"manifest": str(tmp_path / "tones.csv"), "images": f"{drawn.images}/{{id}}_{{n}}.jpg"}
    bundle = tmp_path / "bundle"
    settings = {**catalogue, **small_training, "out": str(bundle), "attribute": "tone", "epochs": 2}
    result = train(TrainConfig.model_validate(settings))
    assert result.attributes is not None
    (tone,) = result.attributes.figures
    (by_image,) = tone.by.values()
    assert by_image.items == tone.items > 20
    assert by_image.accuracy > tone.most_frequent

    flags = ["--manifest", catalogue["manifest"], "--images", catalogue["images"], "--model", bundle]
    assert tagger("tag", *flags, "--out", tmp_path / "run").code == 0
    tagged = pd.read_parquet(tmp_path / "run/predictions").set_index("id")
    assert tagged["images"].notna().sum() > 50
    measured = pd.read_parquet(bundle / "report/attributes.parquet").set_index("id")
    sure = tagged.loc[measured.index, "attributes"].map(lambda found: found[0]["confidence"])
    assert sure.to_numpy() == pytest.approx(measured["confidence"].to_numpy(), abs=5e-3), "also of several images"

    policy = ["policy", bundle, "--target-precision", "0.1", "--attribute-precision"]
    unknown = tagger(*policy, "size=0.9")
    assert (unknown.code, "the bundle knows tone" in unknown.err) == (2, True)
    fitted = tagger(*policy, "tone=0.4", "--json")
    assert fitted.code == 0, fitted.err
    by_kind = json.loads(fitted.out)["attributes"]["tone"]["byEvidence"]
    assert (list(by_kind), by_kind["image"]["targetPrecision"]) == (["image"], 0.4)
    assert "tone" in Bundle.load(Location(str(bundle))).card.attribute_policies
    tried = tagger(*policy, "tone=0.4", "--splits", 5, "--json")
    assert json.loads(tried.out)["attributes"]["tone"]["image"]["target"] == 0.4

    levels = tagger("train", *flags[:4], "--attribute", "articleType", "--out", tmp_path / "no")
    assert (levels.code, "every bundle predicts it" in levels.err) == (2, True)
