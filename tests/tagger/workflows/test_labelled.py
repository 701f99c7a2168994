"""Which labelled items train, choose, measure and are kept, before anything is trained."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from tagger.dataset.items import LabelledItems
from tagger.dataset.splits import SPLITS
from tagger.demo.drawn_catalogue import Drawn
from tagger.io.location import Location
from tagger.reporter import LOG
from tagger.schemas.configs.train import TrainConfig
from tagger.schemas.documents.bundle import Preprocessing
from tagger.training.row_images import Decoder
from tagger.workflows.labelled import decode_sides, failures, read_learnable, split_labelled, usable_sides
from tagger.workflows.open_catalog import open_catalog


def split(drawn: Drawn, work: Path, **settings: object) -> tuple[LabelledItems, str]:
    """The split items of a catalogue, and the rule in words, as reports have it."""
    inputs = {"manifest": str(drawn.manifest), "images": str(drawn.images), "out": str(work / "bundle"), "min_items": 8}
    config = TrainConfig.model_validate({**inputs, "val": 0.15, "test": 0.15, **settings})
    manifest, store = open_catalog(config, LOG)
    learnable = read_learnable(config, config.seed, config, manifest, store, Location(str(work)), LOG)
    return split_labelled(learnable, store, Location(str(work)), LOG), str(learnable.rule)


def test_the_oldest_items_train_and_the_newest_test(drawn: Drawn, tmp_path: Path) -> None:
    items, rule = split(drawn, tmp_path, split="time")
    dated = pd.read_csv(drawn.manifest, usecols=["id", "year"], dtype=str, on_bad_lines="skip").dropna()
    years = dated.drop_duplicates("id").set_index("id")["year"].astype(int)
    side = items.frame.set_index("id")["split"]
    newest_trained = max(years.get(i, 0) for i in side.index[side == "train"])
    newest = side.index[side == "test"]
    assert len(newest) > 10
    assert all(years.get(i, 9999) >= newest_trained for i in newest)
    assert "the oldest items train" in rule


@pytest.mark.usefixtures("embedded_ray")
def test_an_item_without_an_image_is_in_no_group_and_no_error(drawn: Drawn, tmp_path: Path) -> None:
    with_a_gap = tmp_path / "with-a-gap.csv"
    with_a_gap.write_text(drawn.manifest.read_text() + "99999,Apparel,Tshirts,Red,2012,it has no image\n")
    items, rule = split(drawn, tmp_path, manifest=str(with_a_gap), split="group")
    assert "99999" in set(items.frame["id"])
    assert set(items.frame["split"]) == {"train", "val", "test", "control"}
    assert "the same image file on one side" in rule


@pytest.mark.usefixtures("embedded_ray")
def test_what_is_known_to_be_a_copy_stays_on_one_side(drawn: Drawn, tmp_path: Path) -> None:
    everybody = split(drawn, tmp_path / "before", split="stratified")[0].frame["id"].tolist()
    groups = pd.DataFrame({"id": everybody[:60], "imageDigest": "any", "group": [0, 1, 2] * 20, "conflict": False})
    (tmp_path / "copies").mkdir()
    groups.to_parquet(tmp_path / "copies/groups.parquet", index=False)
    items, _ = split(drawn, tmp_path, split="group", duplicates=str(tmp_path / "copies"))
    side = items.frame.set_index("id")["split"]
    assert groups.assign(side=side[groups["id"]].to_numpy()).groupby("group")["side"].nunique().tolist() == [1, 1, 1]


def test_a_catalogue_thinned_out_has_the_same_held_out_items(drawn: Drawn, tmp_path: Path) -> None:
    items, _ = split(drawn, tmp_path, split="stratified")
    whole, thinned = (i.frame.groupby("split")["id"].agg(set) for i in (items, items.thinned(8, seed=0)))
    for side in ("val", "test", "control"):
        assert thinned[side] == whole[side]
    assert thinned["train"] < whole["train"]
    assert 0.15 * len(whole["train"]) < len(thinned["train"]) < 0.7 * len(whole["train"])


@pytest.mark.usefixtures("embedded_ray")
def test_the_usable_rows_are_those_that_decode_and_stay_once_a_training_has_begun(drawn: Drawn, tmp_path: Path) -> None:
    images = tmp_path / "images"
    shutil.copytree(drawn.images, images)
    items, _ = split(drawn, tmp_path, split="stratified", images=str(images))
    config = TrainConfig.model_validate({"manifest": str(drawn.manifest), "images": str(images), "out": "o"})
    _, store = open_catalog(config, LOG)
    decoder = Decoder(store, Preprocessing(height=24, width=18, fit="pad", resize="area"), 10_000_000)
    work = Location(str(tmp_path / "work"))

    def ids(keep: bool) -> dict[str, list[str]]:
        rows = usable_sides(items, decoder, work, LOG, keep)
        return {name: side.columns("id")["id"].to_pylist() for name, side in rows.items()}

    decoded = decode_sides(items, store, decoder.preprocessing, 10_000_000, work, LOG, sides=SPLITS)
    expected = {name: sorted(row["id"] for row in side.take_all()) for name, side in decoded.items()}
    of_decoded = failures(work).sort_by("id")
    before = ids(keep=False)
    assert {name: sorted(side) for name, side in before.items()} == expected
    assert failures(work).sort_by("id") == of_decoded
    assert sum(map(len, before.values())) + len(set(of_decoded["id"].to_pylist())) == len(items.frame)

    gone = before["train"][0]
    for file in images.glob(f"{gone}.*"):
        file.unlink()
    assert ids(keep=True) == before
    assert gone not in ids(keep=False)["train"]
    assert len(failures(work)) == len(of_decoded) + 1
