"""Indexes are measured side by side."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tagger.demo.drawn_catalogue import Drawn
from tagger.evaluation.shares import in_hundred
from tests.conftest import Outcome
from tests.indexes import made_index

Run = Callable[..., Outcome]
pytestmark = pytest.mark.slow


@pytest.fixture
def shop(drawn: Drawn, bundle_dir: Path, tmp_path: Path) -> pd.DataFrame:
    """Two indexes of one catalogue, of which `good` tells article types apart and `poor` does not."""
    items = pd.read_csv(drawn.manifest, dtype=str, on_bad_lines="skip")
    items = items.dropna(subset=["id", "masterCategory", "articleType"]).drop_duplicates("id").reset_index(drop=True)
    items["imageDigest"] = "digest " + items["id"]
    items["imageUri"] = [str(Path(drawn.images) / f"{i}.jpg") for i in items["id"]]
    items["kind"] = items["masterCategory"].str[0]
    rng = np.random.default_rng(0)
    types, _ = items["articleType"].factorize()
    noise = rng.standard_normal((len(items), 24))
    centres = rng.standard_normal((types.max() + 1, 24))
    made_index(tmp_path / "good", items, 2 * centres[types] + noise, keep=["kind"])
    made_index(tmp_path / "poor", items.iloc[:-1], noise[:-1])
    shutil.copytree(bundle_dir, tmp_path / "bundle")
    sides = np.where(np.arange(len(items)) % 4 == 0, "test", "train")
    pd.DataFrame({"id": items["id"], "split": sides}).to_parquet(tmp_path / "bundle/splits.parquet", index=False)
    return items.assign(split=sides)


def test_indexes_are_measured_side_by_side(tagger: Run, shop: pd.DataFrame, drawn: Drawn, tmp_path: Path) -> None:
    outcome = tagger(
        "retrieval", tmp_path / "good", tmp_path / "poor", "--manifest", drawn.manifest, "--images", drawn.images,
        "--model", tmp_path / "bundle", "--by", "kind", "--out", tmp_path / "out", "--json",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    figures = {(row["vectors"], row["by"]): row for row in json.loads(outcome.out)["figures"]}
    assert {by for _, by in figures} == {"masterCategory", "articleType", "kind"}
    five = {vectors: figures[vectors, "articleType"]["precision@5"] for vectors, by in figures if by == "articleType"}
    assert five["good"] > 0.95
    assert five["chance"] == pytest.approx(five["poor"], abs=0.1)
    assert five["colour histograms"] > five["chance"]
    assert figures["good", "kind"]["queries"] <= (shop.iloc[:-1]["split"] == "test").sum()
    classes = pd.read_csv(tmp_path / "out/classes.csv")
    assert set(classes.loc[classes["by"] == "articleType", "class"]) <= set(shop["articleType"])
    page = (tmp_path / "out/index.html").read_text()
    assert page.count("<section>") == min(12, shop.loc[shop["split"] == "test", "articleType"].nunique())
    assert "data:image/jpeg;base64," in page
    first = figures["good", "articleType"]
    said = in_hundred(first["precision@1"], first["queries"], "first hits are of the same article type")
    assert f"By good, {said}." in page and page.index(said) < page.index("<table>")
    assert "<main>" in page


def test_what_cannot_be_measured_says_why(tagger: Run, shop: pd.DataFrame, drawn: Drawn, tmp_path: Path) -> None:
    asked = ["--manifest", drawn.manifest, "--images", drawn.images, "--out", tmp_path / "out"]
    for given, words in [
        ([tmp_path / "good", "--model", tmp_path / "none"], "none/splits.parquet, which says what was trained on"),
        ([tmp_path / "poor", "--model", tmp_path / "bundle", "--by", "kind"], "--by kind: the index has no such"),
        ([tmp_path / "good", tmp_path / "good", "--model", tmp_path / "bundle"], "two have one name"),
    ]:
        outcome = tagger("retrieval", *given, *asked)
        assert (outcome.code, words in outcome.err) == (2, True), outcome.err
