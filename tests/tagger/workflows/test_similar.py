"""Items of an index are found by an image, as Python users ask for them."""

from pathlib import Path

import pandas as pd
import pytest

from tagger.demo.drawn_catalogue import Drawn
from tagger.engines.choose import engine_names
from tagger.errors import UsageError
from tagger.models.bundle import Bundle
from tagger.schemas.configs.similarity import SimilarConfig
from tagger.schemas.documents.run import EngineCheck
from tagger.tagging.notebook import Tagger
from tagger.workflows.similar import find_similar
from tests.indexes import made_index


@pytest.fixture
def index(drawn: Drawn, bundle: Bundle, tmp_path: Path) -> Path:
    """Ten of the drawn images, with vectors by the bundle and the quickest engine of this machine."""
    images = sorted(Path(drawn.images).glob("*.jpg"))[20:30]
    check = EngineCheck(engine=engine_names("cpu")[0], images=512, agreement=0.998)
    tags, vectors = Tagger(bundle, check).tag_and_embed(images)
    items = pd.DataFrame({"id": [i.stem for i in images], "imageUri": [str(i) for i in images]})
    items = items.assign(imageDigest=tags["imageDigest"], masterCategory="Apparel", articleType="Shirts")
    made_index(tmp_path / "index", items, vectors, model_id=bundle.card.model_id, engine=check)
    return tmp_path / "index"


def test_the_very_image_of_the_index_has_a_cosine_of_one(index: Path, drawn: Drawn, bundle_dir: Path) -> None:
    image = sorted(Path(drawn.images).glob("*.jpg"))[22]
    found = find_similar(SimilarConfig(index=str(index), image=[str(image)], model=str(bundle_dir), top=1))
    assert found.table is not None
    (row,) = found.table.to_pylist()
    assert row["similarId"] == image.stem
    assert row["cosine"] == pytest.approx(1, abs=1e-6), "it was looked at with the index's engine"


def test_an_image_finds_itself_and_an_item_does_not(index: Path, drawn: Drawn, bundle_dir: Path) -> None:
    image = sorted(Path(drawn.images).glob("*.jpg"))[22]
    found = find_similar(SimilarConfig(index=str(index), image=[str(image)], model=str(bundle_dir), top=3))
    assert found.table is not None and found.out is None
    assert (found.rows, found.items) == (3, 1)
    assert found.table["similarId"][0].as_py() == image.stem
    beside = find_similar(SimilarConfig(index=str(index), id=[image.stem], top=20))
    assert beside.table is not None
    assert image.stem not in beside.table["similarId"].to_pylist()
    assert beside.rows == 9


def test_what_is_found_for_many_is_written(index: Path, drawn: Drawn, tmp_path: Path) -> None:
    found = find_similar(
        SimilarConfig(index=str(index), manifest=str(drawn.manifest), top=2, out=str(tmp_path / "out"))
    )
    assert (found.table, found.rows, found.items) == (None, 20, 10)
    assert len(pd.read_parquet(tmp_path / "out")) == 20
    with pytest.raises(UsageError, match="is not empty"):
        find_similar(SimilarConfig(index=str(index), manifest=str(drawn.manifest), out=str(tmp_path / "out")))
