"""The page of an audit's findings."""

import re
from pathlib import Path

import pyarrow as pa
import pytest

from tagger.auditing.written import page_of
from tagger.evaluation.pictures import Pictures
from tagger.schemas.tables.finding import FINDING
from tests.builders import catalog_of


@pytest.mark.parametrize(
    ("confidence", "suggested"), [(0.8, "rather Sandals Footwear 80.0%"), (None, "rather Sandals Footwear")]
)
def test_the_page_says_which_figure_is_the_suspicion_and_which_the_confidence_of_the_suggestion(
    tmp_path: Path, confidence: float | None, suggested: str
) -> None:
    (tmp_path / "m.csv").write_text("id\n7\n")
    _, store = catalog_of(tmp_path / "m.csv", tmp_path / "{id}.jpg")
    finding = {
        "rank": 1, "id": "7", "imageDigest": "d", "masterCategory": "Footwear", "articleType": "Heels",
        "score": 0.991, "reasons": ["label_error"], "suggestedMasterCategory": "Footwear",
        "suggestedArticleType": "Sandals", "suggestionConfidence": confidence, "imageSays": "Casual Shoes",
        "distance": 0.5,
    }  # fmt: skip
    page = page_of(pa.Table.from_pylist([finding], schema=FINDING), Pictures(store, 10**8), 5, [], "my audit")
    lines = [" ".join(re.sub("<[^>]+>", "", line).split()) for line in re.split("<br>|</li>", page)]
    assert suggested in lines
    assert "<code>tagger review --run &#39;my audit&#39;</code>" in page
    assert "label error · image: Casual Shoes · suspicion 99.1% · 7" in lines
