"""A trained bundle and a run of it, made once for all processes of a test run; and a shop with titles."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tagger.demo.drawn_catalogue import Drawn
from tests.once import Once

TYPES = ["masterCategory", "articleType"]
TONES = {"warm": ("Red", "Brown", "Pink", "Yellow"), "cold": ("Navy Blue", "Green", "Blue", "Purple")}


@pytest.fixture(scope="session")
def trained(drawn: Drawn, small_training: dict[str, object], once: Once, embedded_ray: None) -> Path:
    """A bundle trained for one frozen epoch and a few others."""
    from tagger import TrainConfig, train

    def make(folder: Path) -> None:
        inputs = {"manifest": str(drawn.manifest), "images": str(drawn.images), "out": str(folder / "bundle")}
        train(TrainConfig.model_validate({**inputs, **small_training, "epochs": 10, "frozen_epochs": 1}))

    return once("trained", make) / "bundle"


@pytest.fixture(scope="session")
def run_dir(trained: Path, drawn: Drawn, once: Once) -> Path:
    """A run of that bundle over the catalogue that trained it."""
    from tagger import TagConfig, tag

    def make(folder: Path) -> None:
        inputs = {"manifest": str(drawn.manifest), "images": str(drawn.images)}
        tag(TagConfig.model_validate({**inputs, "model": str(trained), "out": str(folder / "run")}))

    return once("tagged", make) / "run"


@pytest.fixture
def shop(drawn: Drawn, bundle_dir: Path, tmp_path: Path) -> pd.DataFrame:
    """A manifest with titles, and a bundle whose split has its items; one title in ten names another type."""
    items = pd.read_csv(drawn.manifest, dtype=str, on_bad_lines="skip")
    items = items.dropna(subset=["id", *TYPES]).drop_duplicates("id").reset_index(drop=True)
    items = items[items["articleType"].map(items["articleType"].value_counts()) >= 12].reset_index(drop=True)
    rng = np.random.default_rng(0)
    named = items["articleType"].to_numpy(object).copy()
    wrong = rng.random(len(items)) < 0.1
    named[wrong] = rng.permutation(named)[wrong]
    items["title"] = [f"Brand{rng.integers(9)} {name} {rng.integers(9)}" for name in named]
    items.loc[0, "title"] = None
    items["kind"] = [f"kind {name[0]}" if rng.random() < 0.8 else "NA" for name in items["articleType"]]
    tones = {colour: tone for tone, colours in TONES.items() for colour in colours}
    items["tone"] = items["baseColour"].map(tones).fillna("grey")
    items.loc[3:6, "tone"] = "NA"
    items.to_csv(tmp_path / "shop.csv", index=False)
    shutil.copytree(bundle_dir, tmp_path / "bundle")
    sides = np.array(["train", "train", "val", "test"])[np.arange(len(items)) % 4]
    splits = pd.DataFrame({"id": items["id"], "split": sides})
    splits.to_parquet(tmp_path / "bundle/splits.parquet", index=False)
    return items.assign(split=sides, named=named)
