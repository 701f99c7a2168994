"""Whether it is said that a model never learns some items' types."""

import pytest

from tagger.dataset.not_learnt import not_learnt
from tagger.schemas.documents.bundle import LeftOut
from tagger.schemas.documents.taxonomy import Taxonomy

TAXONOMY = Taxonomy.of({("Apparel", "Shirts"), ("Footwear", "Shoes")}, {})
SENTENCE = " are of article types that the model does not learn; it tags them as something else."


@pytest.mark.parametrize(
    ("left_out", "learnt", "said"),
    [
        ([], 100, None),
        ([("Apparel", "Ties", 1)], 999, None),
        ([("Apparel", "Ties", 10)], 990, f"1% of the labelled items (10){SENTENCE}"),
        ([("Free Items", "Gifts", 4)], 996, f"0.4% of the labelled items (4){SENTENCE} It can never say Free Items."),
        (
            [("Personal Care", "Soap", 200), ("Apparel", "Ties", 100), ("Free Items", "Gifts", 67)],
            682,
            f"35% of the labelled items (367){SENTENCE} It can never say Personal Care, Free Items.",
        ),
    ],
)
def test_types_that_are_never_learnt_are_said_where_they_are_many_or_a_category_vanishes(
    left_out: list[tuple[str, str, int]], learnt: int, said: str | None
) -> None:
    leaves = [LeftOut(master_category=master, article_type=article, items=n) for master, article, n in left_out]
    assert not_learnt(leaves, TAXONOMY, learnt) == said
