"""What a bundle's report keeps of held-out items, by every kind of evidence."""

from pathlib import Path

import numpy as np
import pandas as pd

from tagger.io.location import Location
from tagger.models.bundle import Bundle
from tagger.models.evidence import EvidenceModel, Weights
from tagger.models.levels import Levels
from tagger.models.titles import TitleModel
from tagger.runs.leaf_probabilities import LeafProbabilities
from tagger.schemas.tables.prediction import Evidence
from tagger.workflows.evidence_held_out import DENIED, HELD_OUT, delete_held_out, write_held_out


def test_labels_that_image_and_title_deny_alike_are_listed_the_surest_first(bundle: Bundle, tmp_path: Path) -> None:
    report, card = Location(str(tmp_path)), bundle.card
    levels, count = Levels(card.taxonomy), len(card.taxonomy.leaves)
    _, types = levels.classes_of_leaves(np.arange(count))
    other = int(np.flatnonzero(types != types[0])[0])
    prior = np.full(count, 1 / count, np.float32)
    weight = np.zeros((count, 4), np.float32)
    weight[0, 0], weight[other, 1], weight[0, 2] = 40, 40, 15
    words = ("first", "second", "perhaps")
    titles = TitleModel(("name",), words, ("fir",), np.ones(4, np.float32), weight, np.zeros(count, np.float32), prior)
    model = EvidenceModel(card.model_id, prior, titles, weights={Evidence.TITLE: Weights((1.0,), 0.0)})

    rows = [  # id, side, label, what the image says, title
        ("denied", "test", other, 0, "first"),
        ("doubted", "val", other, 0, "perhaps"),
        ("right", "test", 0, 0, "first"),
        ("image alone", "test", other, 0, "second"),
        ("title alone", "control", other, other, "first"),
        ("mute", "control", other, 0, "zzz"),
        ("learnt", "train", other, 0, "first"),
    ]
    items = pd.DataFrame(rows, columns=["id", "split", "leaf", "image", "column:name"])
    image = np.full((len(items), count), 0.001, np.float32)
    image[np.arange(len(items)), items["image"]] = 1 - 0.001 * (count - 1)
    by_image = LeafProbabilities.of_predictions(
        items["id"].tolist(), image, np.full(len(items), 50, np.float32), np.full(len(items), 1, np.float32)
    )
    write_held_out(report, card, model, by_image, {str(side): part for side, part in items.groupby("split")})

    denied = pd.read_csv(tmp_path / DENIED)
    assert denied["id"].tolist() == ["denied", "doubted"]
    assert denied["split"].tolist() == ["test", "val"]
    assert denied["name"].tolist() == ["first", "perhaps"]
    wrong, right = card.taxonomy.leaves[other], card.taxonomy.leaves[0]
    assert set(zip(denied["masterCategory"], denied["articleType"], strict=True)) == {
        (wrong.masterCategory, wrong.articleType)
    }
    suggested = zip(denied["suggestedMasterCategory"], denied["suggestedArticleType"], strict=True)
    assert set(suggested) == {(right.masterCategory, right.articleType)}
    assert (denied["labelProbability"] < 0.01).all() and (denied["suggestionConfidence"] > 0.9).all()
    assert denied["titleConfidence"].is_monotonic_decreasing
    by_title = {
        side: pd.read_parquet(tmp_path / file)["id"].tolist() for side, file in HELD_OUT[Evidence.TITLE].items()
    }
    assert by_title == {"val": ["doubted"], "test": ["denied", "right", "image alone"], "control": ["title alone"]}

    delete_held_out(report)
    assert list(tmp_path.iterdir()) == [], "another model makes all of it untrue"
