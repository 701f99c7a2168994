"""Class names are found in titles as a reader finds them: plurals, hyphens, the longest name; never a guess."""

import pytest

from tagger.review.store.leaves import LeafCounts, Leaves
from tagger.review.web.plain_words import named_in, plain_words

NAMES = (
    "Belts", "Casual Shoes", "Cufflinks", "Gloves", "Lip Gloss", "Scarves", "Shirts", "Shoe Accessories", "Ties",
    "Tops", "Tshirts", "Watches",
)  # fmt: skip
LEAVES = Leaves(pairs := [("Any", name) for name in NAMES], LeafCounts.of(pairs, {}, None))


@pytest.mark.parametrize(
    ("title", "named"),
    [
        ("Belmonte Men Steel Cufflinks", "Cufflinks"),
        ("Turtle Check Men Maroon Scarf", "Scarves"),
        ("Puma Men's Casual Shoe", "Casual Shoes"),
        ("Fastrack Women Watch", "Watches"),
        ("Nike T-Shirt, blue", "Tshirts"),
        ("Park Avenue Men Tie", "Ties"),
        ("Leather glove", "Gloves"),
        ("LIP-GLOSS 04", None),
        ("Lip Gloss 04", "Lip Gloss"),
        ("Set: shirt with tie", None),
        ("Topshop bag", None),
        ("", None),
        ("Écharpe", None),
    ],
)
def test_a_title_names_a_class(title: str, named: str | None) -> None:
    assert named_in(title, LEAVES) == named


def test_words_are_compared_without_case_accents_hyphens_and_plurals() -> None:
    assert plain_words("Écru T-Shirts, dresses & glasses") == ("ecru", "tshirt", "dress", "glass")
    assert plain_words("LIP GLOSS") == ("lip", "gloss")
    assert plain_words("<b>§$%</b>") == ("b", "b")
