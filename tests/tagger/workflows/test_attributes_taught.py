"""Attributes that a bundle is taught: what is left out and why, and what is measured."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tagger.errors import InputError, UsageError
from tagger.io.location import Location
from tagger.models.bundle import Bundle
from tagger.reporter import LOG
from tagger.runs.image_features import ImageFeatures
from tagger.runs.leaf_probabilities import LeafProbabilities
from tagger.schemas.configs.confidence import PolicyConfig
from tagger.schemas.tables.prediction import Evidence
from tagger.workflows.attributes_policy import fit_attributes
from tagger.workflows.attributes_taught import AttributesResult, check_attributes, forget_attributes, teach_attributes
from tagger.workflows.evidence_taught import Asked

ITEMS = 400


def shop() -> pd.DataFrame:
    """Items of two leaves; half of those on each side have a size."""
    numbers = np.arange(ITEMS)
    sizes = np.array(["small", "large"], object)[numbers // 2 % 2]
    sizes[numbers % 4 == 3] = "NA"
    return pd.DataFrame({
        "id": [f"i{n:03}" for n in numbers], "leaf": numbers % 2,
        "split": np.array(["train", "train", "val", "test", "control"])[numbers // (ITEMS // 5)],
        "column:size": sizes, "column:sku": [f"s{n}" for n in numbers],
    })  # fmt: skip


def taught(
    bundle: Bundle, folder: Path, items: pd.DataFrame, asked: Asked, seen: pd.DataFrame | None = None
) -> AttributesResult | None:
    """What a bundle is taught of these items, whose images show the size."""
    seen = items if seen is None else seen
    leaves = np.full((len(seen), len(bundle.card.taxonomy.leaves)), 1e-3, np.float32)
    leaves[np.arange(len(seen)), seen["leaf"]] = 1
    ids = seen["id"].tolist()
    image = LeafProbabilities.of_predictions(
        ids, leaves, np.zeros(len(seen), np.float32), np.ones(len(seen), np.float32)
    )
    shown = np.random.default_rng(0).normal(size=(len(seen), 4)).astype(np.float16)
    shown[:, 0] += 6 * (seen["column:size"].str.strip().str.casefold() == "large")
    features = ImageFeatures(np.array(ids, object), np.zeros(len(seen), np.int64), shown)
    sides = {str(side): part.reset_index(drop=True) for side, part in items.groupby("split")}
    return teach_attributes(Location(str(folder)), bundle.card, asked, None, sides, image, features, LOG)


def test_an_attribute_is_measured_on_the_test_items_that_have_it_and_gets_a_policy(
    bundle: Bundle, tmp_path: Path
) -> None:
    result = taught(bundle, tmp_path, shop(), Asked(attributes=["size"]))
    assert result is not None
    (size,) = result.figures
    assert (size.items, size.values, list(size.by)) == (60, 2, [Evidence.IMAGE])
    assert size.by[Evidence.IMAGE].accuracy > 0.95
    assert size.most_frequent == pytest.approx(2 / 3, abs=0.01)
    config = PolicyConfig.model_validate({"model": "b", "target_precision": 0.9, "attribute_precision": {"size": 0.8}})
    fitted = fit_attributes(config, Location(str(tmp_path)), "control", LOG)["size"]
    level = fitted.policy.by_evidence[Evidence.IMAGE]
    assert (level.target_precision, fitted.policy.fitted_on[Evidence.IMAGE]) == (0.8, 60)
    assert level.coverage > 0.9 and fitted.on_test[Evidence.IMAGE].items == 60
    assert not forget_attributes(Location(str(tmp_path)), bundle.card), "they read no titles"
    forget_all(tmp_path)
    assert (
        fit_attributes(config.model_copy(update={"attribute_precision": {}}), Location(str(tmp_path)), "val", LOG) == {}
    )


def forget_all(folder: Path) -> None:
    for file in ("attributes.safetensors", "report/attributes.parquet"):
        (folder / file).unlink()


def test_spellings_are_one_value_and_a_side_without_images_is_left_out(bundle: Bundle, tmp_path: Path) -> None:
    items = shop()
    odd = items.index % 10 == 0
    items.loc[odd, "column:size"] = items.loc[odd, "column:size"].str.upper() + " "
    seen = items[items["split"] != "control"]
    result = taught(bundle, tmp_path, items, Asked(attributes=["size"]), seen=seen)
    assert result is not None
    assert set(result.model.attributes[0].values) == {"small", "large"}
    assert result.figures[0].by[Evidence.IMAGE].accuracy > 0.95


def test_an_attribute_without_labels_on_control_accepts_nothing_and_says_so(
    bundle: Bundle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    items = shop()
    items.loc[items["split"] == "control", "column:size"] = ""
    assert taught(bundle, tmp_path, items, Asked(attributes=["size"]))
    config = PolicyConfig.model_validate({"model": "b", "target_precision": 0.8})
    fitted = fit_attributes(config, Location(str(tmp_path)), "control", LOG)
    assert fitted["size"].policy.by_evidence == {}
    assert "No control item has a label of size and is predicted by the image alone" in caplog.text


def test_what_cannot_be_learnt_is_left_out_with_its_reason(
    bundle: Bundle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    items = shop()
    items.loc[items["split"] == "val", "column:size"] = "NA"
    assert taught(bundle, tmp_path, items, Asked(attributes=["size", "sku"])) is None
    assert "--attribute size: left out. No val item with an image has one of its values" in caplog.text
    assert "--attribute sku: left out. 0 of its values are those of 20 training items or more" in caplog.text
    assert not (tmp_path / "attributes.safetensors").exists()


def test_an_attribute_that_no_test_item_has_is_learnt_without_figures(bundle: Bundle, tmp_path: Path) -> None:
    items = shop()
    items.loc[items["split"] == "test", "column:size"] = "NA"
    result = taught(bundle, tmp_path, items, Asked(attributes=["size"]))
    assert result is not None
    assert (result.figures[0].items, dict(result.figures[0].by)) == (0, {})


@pytest.mark.parametrize("side", ["train", "val", "test"])
def test_a_run_that_left_a_side_out_teaches_nothing(bundle: Bundle, tmp_path: Path, side: str) -> None:
    items = shop()
    with pytest.raises(InputError, match=f"no usable image of the bundle's {side} side"):
        taught(bundle, tmp_path, items, Asked(attributes=["size"]), seen=items[items["split"] != side])


@pytest.mark.parametrize(
    ("name", "why"),
    [("articleType", "every bundle predicts it"), ("id", "every item has its own"), ("name", "reads it as a title")],
)
def test_columns_that_are_no_attribute_are_refused(name: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        check_attributes(Asked(title=["name"], attributes=["size", name]))
    check_attributes(Asked(title=["name"], attributes=["size"]))


def test_one_precision_holds_for_all_attributes_and_named_ones_for_theirs() -> None:
    given = {"model": "b", "target_precision": {"masterCategory": 0.98, "articleType": 0.95}}
    assert PolicyConfig.model_validate(given).attribute_target("size") == 0.95
    for_all = PolicyConfig.model_validate({**given, "attribute_precision": "0.9"})
    assert for_all.attribute_target("size") == 0.9
    named = PolicyConfig.model_validate({**given, "attribute_precision": {"size": "0.8,colour=0.7"}})
    assert [named.attribute_target(name) for name in ("size", "colour", "season")] == [0.8, 0.7, 0.95]
