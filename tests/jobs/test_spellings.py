"""A bundle that was trained with --merge-spellings, and what its items' labels count as afterwards."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tagger.demo.drawn_catalogue import Drawn
from tagger.io.location import Location
from tagger.manifest.spelling import same_letters
from tagger.models.bundle import Bundle
from tagger.schemas.documents.taxonomy import Level
from tests.conftest import Outcome

Run = Callable[..., Outcome]
pytestmark = pytest.mark.usefixtures("embedded_ray")
TYPES = [str(level) for level in Level]


def letters(labels: pd.Series) -> pd.Series:
    """Labels by what is left of them when spellings are merged."""
    return labels.map(same_letters)


@pytest.fixture
def shop(drawn: Drawn, tmp_path: Path) -> pd.DataFrame:
    """The labelled items of a manifest in which every third label is in capitals, and every third of those spaced."""
    items = pd.read_csv(drawn.manifest, dtype=str, on_bad_lines="skip")
    items = items.dropna(subset=["id", *TYPES]).drop_duplicates("id").reset_index(drop=True)
    for column in TYPES:
        capitals = items.index % 3 == 0
        items.loc[capitals, column] = items.loc[capitals, column].str.upper()
        items.loc[items.index % 9 == 0, column] = items.loc[items.index % 9 == 0, column].str.replace(" ", "  ")
    items.to_csv(tmp_path / "shop.csv", index=False)
    return items.set_index("id")


def test_every_spelling_of_a_label_is_right_and_no_conflict_with_a_bundle_of_merged_spellings(
    tagger: Run, shop: pd.DataFrame, drawn: Drawn, small_training: dict[str, object], tmp_path: Path
) -> None:
    catalogue = ["--manifest", tmp_path / "shop.csv", "--images", drawn.images]
    settings = [part for name, value in small_training.items() for part in (f"--{name.replace('_', '-')}", value)]
    trained = tagger(
        "train", *catalogue, "--out", tmp_path / "bundle", *settings, "--epochs", 4, "--merge-spellings"
    )  # fmt: skip
    assert trained.code == 0, trained.err
    taxonomy = Bundle.load(Location(str(tmp_path / "bundle"))).card.taxonomy
    for level in Level:
        assert taxonomy.spellings is not None
        assert set(taxonomy.spellings[level].values()) <= set(taxonomy.classes(level))
        assert len(taxonomy.spellings[level]) > 4

    tagged = tagger("tag", *catalogue, "--model", tmp_path / "bundle", "--out", tmp_path / "run", "--accept-above", 0)
    assert tagged.code == 0, tagged.err
    found = pd.read_parquet(tmp_path / "run/predictions").set_index("id")
    found = found[found["decision"] != "failed"]
    labels = shop.loc[found.index]
    other = letters(found["masterCategory"]) != letters(labels["masterCategory"])
    conflicts = found["reviewReasons"].map(lambda reasons: "taxonomy_conflict" in reasons)
    assert conflicts.tolist() == other.tolist()
    spelt_otherwise = found["masterCategory"] != labels["masterCategory"]
    assert (spelt_otherwise & ~conflicts).sum() > 10

    judged = tagger(
        "evaluate", "--run", tmp_path / "run", "--manifest", tmp_path / "shop.csv", "--out", tmp_path / "report",
        "--include-trained", "--json",
    )  # fmt: skip
    assert judged.code == 0, judged.err
    document = json.loads(judged.out)
    known = labels[letters(labels["articleType"]).isin({same_letters(t) for t in taxonomy.classes(Level.ARTICLE_TYPE)})]
    assert document["counts"]["counted"] == len(known)
    for name in TYPES:
        right = letters(found.loc[known.index, name]) == letters(known[name])
        assert document["levels"][name]["accuracy"] == pytest.approx(right.mean())
