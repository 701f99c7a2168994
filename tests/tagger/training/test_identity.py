"""Whether a folder's training is the one that is asked for."""

from pathlib import Path

import pytest

from tagger.errors import UsageError
from tagger.io.location import Location
from tagger.schemas.configs.train import TrainConfig
from tagger.training.identity import claim, differing_settings, identity_of


def identity(manifest: str = "m.csv:10:1", **settings: object) -> dict[str, object]:
    return identity_of(TrainConfig.model_validate({"manifest": "m.csv", "out": "b", **settings}), manifest)


def test_what_a_model_learns_from_counts_and_where_it_is_trained_does_not() -> None:
    assert differing_settings(identity(), identity(lr=0.1, epochs=7)) == ["epochs", "lr"]
    assert differing_settings(identity(), identity("m.csv:11:2")) == ["manifest"]
    for earlier, title in ((None, []), ("name", ["name"])):  # earlier versions took one column
        assert differing_settings({**identity(), "title": earlier}, identity(title=title)) == []
    assert differing_settings(identity(), identity(device="cpu", workers=2, out="elsewhere")) == []


def test_a_recipe_counts_by_what_it_sets_and_not_by_its_name() -> None:
    assert differing_settings(identity(), identity(recipe="standard")) == []
    assert "epochs" in differing_settings(identity(), identity(recipe="best"))


def test_a_setting_that_an_earlier_version_did_not_know_had_its_default() -> None:
    before = {name: value for name, value in identity(split="stratified").items() if name not in ("split", "mixup")}
    assert differing_settings(before, identity(split="stratified")) == []
    assert differing_settings(before, identity()) == ["split"], "items were split by leaf then"
    assert differing_settings(before, identity(split="stratified", mixup=0.2)) == ["mixup"]


def test_a_folder_in_which_nothing_was_learnt_yet_is_taken_over(tmp_path: Path) -> None:
    work, begun = Location(str(tmp_path / "b/_work")), Location(str(tmp_path / "b/_work/train"))
    claim(work, identity(), begun)
    (work / "items.json").write_text("[1]")
    claim(work, identity(), begun)
    assert (work / "items.json").exists(), "the same training goes on"
    claim(work, identity(lr=0.1), begun)
    assert not (work / "items.json").exists()


def test_checkpoints_of_another_training_are_not_gone_on_with(tmp_path: Path) -> None:
    work, begun = Location(str(tmp_path / "b/_work")), Location(str(tmp_path / "b/_work/train"))
    claim(work, identity(), begun)
    (begun / "checkpoint").write_text("x")
    claim(work, identity(device="cpu"), begun)
    with pytest.raises(UsageError, match=r"unfinished training with another lr; name a new folder, or delete .*_work"):
        claim(work, identity(lr=0.1), begun)
