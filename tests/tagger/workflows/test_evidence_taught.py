"""The titles and columns of the items that a bundle is taught."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tagger.io.location import Location
from tagger.models.bundle import Bundle
from tagger.reporter import LOG
from tagger.runs.leaf_probabilities import LeafProbabilities
from tagger.schemas.configs.options import ManifestFormat
from tagger.schemas.documents.taxonomy import Level
from tagger.workflows.evidence_taught import Asked, EvidenceResult, teach, with_columns
from tagger.workflows.open_catalog import open_manifest


def test_an_item_of_a_file_without_titles_has_none_and_ends_no_training(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("id,name\na,Red shirt\nb, \n")
    (tmp_path / "2.csv").write_text("id,gender\nc,Men\n")
    items = pd.DataFrame({"id": ["a", "b", "c"], "split": ["train", "val", "test"], "leaf": [0, 1, 0], "times": 1})
    asked = Asked(["name"], ["gender", "name"])
    sides = with_columns(items, open_manifest(str(tmp_path), ManifestFormat(), LOG), asked)
    shown = {side: rows[["column:name", "column:gender"]].values.tolist() for side, rows in sides.items()}
    assert shown == {"train": [["Red shirt", ""]], "val": [["", ""]], "test": [["", "Men"]]}


def taught(bundle: Bundle, folder: Path, asked: Asked, items: pd.DataFrame) -> EvidenceResult:
    """A bundle that is taught these items, whose images are always right."""
    image = np.full((len(items), len(bundle.card.taxonomy.leaves)), 1e-4, np.float32)
    image[np.arange(len(items)), items["leaf"]] = 1
    image /= image.sum(axis=1, keepdims=True)
    by_image = LeafProbabilities.of_predictions(
        items["id"].tolist(), image, np.zeros(len(items), np.float32), np.ones(len(items), np.float32)
    )
    sides = {str(side): part.reset_index(drop=True) for side, part in items.groupby("split")}
    return teach(Location(str(folder)), bundle.card, asked, sides, by_image, LOG)


def shop(bundle: Bundle, named: float) -> pd.DataFrame:
    """Items of six leaves; some titles name their type, the others have no word at all."""
    rng = np.random.default_rng(0)
    leaves = np.arange(600) % 6
    types = [bundle.card.taxonomy.leaves[leaf].articleType for leaf in leaves]
    titles = [f"brand{n % 7} {name}" if rng.random() < named else "" for n, name in enumerate(types)]
    return pd.DataFrame({
        "id": [str(n) for n in range(600)], "split": np.array(["train", "train", "val", "test"])[np.arange(600) // 150],
        "leaf": leaves, "column:name": titles, "column:half": [f"h{leaf // 3}" for leaf in leaves],
        "column:sku": [f"s{n}" for n in range(600)], "column:type": types,
    })  # fmt: skip


def test_what_is_measured_without_images_owes_nothing_to_them(bundle: Bundle, tmp_path: Path) -> None:
    result = taught(bundle, tmp_path, Asked(["name"], ["half"]), shop(bundle, named=0.5))
    right = {name: figures[Level.ARTICLE_TYPE].accuracy for name, figures in result.by.items()}
    assert right["image"] == right["image+title+columns"] == 1
    assert right["title+columns"] < 0.8, "half of the items have no title, and a column that tells halves apart"
    assert set(right) >= {"title", "columns", "image+title", "image+columns", "title+columns without its type"}


def test_a_column_that_is_read_as_title_and_as_value_has_no_type_in_its_title_either(
    bundle: Bundle, tmp_path: Path
) -> None:
    result = taught(bundle, tmp_path, Asked(["type"], ["type"]), shop(bundle, named=1))
    right = {name: figures[Level.ARTICLE_TYPE].accuracy for name, figures in result.by.items()}
    assert right["title"] == 1
    assert right["title without its type"] < 0.3


def test_a_column_of_no_use_is_left_out_with_its_reason_and_the_others_are_learnt(
    bundle: Bundle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    result = taught(bundle, tmp_path, Asked(["sku"], ["sku", "half", "type"]), shop(bundle, named=1))
    assert result.model.titles is None
    assert "no word is in two of these 300 titles; titles are left out" in caplog.text
    assert result.model.names == ("half", "type")
    assert "--evidence sku: left out. Its cells, such as 's0', are neither plain numbers nor values" in caplog.text
    assert "--evidence type: it tells the article type of 100% of the items by itself" in caplog.text
    assert "--evidence half: it tells" not in caplog.text
