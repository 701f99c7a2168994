"""A bundle is taught titles as a Python user does it."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from tagger.errors import InputError
from tagger.io.location import Location
from tagger.models.bundle import Bundle
from tagger.models.evidence import EvidenceModel
from tagger.schemas.configs.confidence import EvidenceConfig
from tagger.schemas.documents.taxonomy import Level
from tagger.workflows.evidence import evidence


@pytest.fixture
def config(bundle: Bundle, bundle_dir: Path, tmp_path: Path) -> EvidenceConfig:
    """A bundle whose split has twelve items of each leaf, all of whose titles say what they are."""
    shutil.copytree(bundle_dir, tmp_path / "bundle")
    leaves = [leaf for leaf in bundle.card.taxonomy.leaves for _ in range(12)]
    ids = [str(n) for n in range(len(leaves))]
    sides = ["train", "train", "val", "test"] * (len(ids) // 4)
    pd.DataFrame({"id": ids, "split": sides}).to_parquet(tmp_path / "bundle/splits.parquet")
    items = {"masterCategory": [leaf.masterCategory for leaf in leaves], "articleType": [x.articleType for x in leaves]}
    pd.DataFrame({"id": ids, **items, "title": items["articleType"]}).to_csv(tmp_path / "m.csv", index=False)
    return EvidenceConfig(model=str(tmp_path / "bundle"), manifest=str(tmp_path / "m.csv"), title=["title"])


def test_titles_that_say_what_an_item_is_are_always_right(
    config: EvidenceConfig, bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    result = evidence(config)
    assert result.items == 3 * len(bundle.card.taxonomy.leaves)
    assert result.by["title"][Level.ARTICLE_TYPE].accuracy == pytest.approx(1)
    assert result.objections is None
    assert EvidenceModel.load(Location(config.model), bundle.card.model_id).digest == result.model.digest
    assert capsys.readouterr().out == ""


def test_a_bundle_that_does_not_say_what_it_was_trained_on_cannot_be_taught(config: EvidenceConfig) -> None:
    (Path(config.model) / "splits.parquet").unlink()
    with pytest.raises(InputError, match="which says what was trained on"):
        evidence(config)
