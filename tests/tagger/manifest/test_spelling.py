"""Labels that differ by their spelling alone."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.manifest.spelling import Names, clean, look_alike, mended, most_frequent, same_letters, variants, visible


@pytest.mark.parametrize(
    ("text", "expected", "done"),
    [
        ("Tshirts", "Tshirts", []),
        (" Tshirts\t", "Tshirts", ["space around"]),
        ("Tshirts\u00a0", "Tshirts", ["space around"]),
        ("\ufeffTshirts\u200b", "Tshirts", ["invisible characters around"]),
        ("\u200e Tshirts \u00ad", "Tshirts", ["space around", "invisible characters around"]),
        ("De\u0301collete\u0301", "Décolleté", ["Unicode form"]),
        ("Track  Pants", "Track  Pants", []),
        (" \u200b ", "", ["space around", "invisible characters around"]),
    ],
)
def test_what_lies_around_a_label_is_trimmed_and_its_form_composed(text: str, expected: str, done: list[str]) -> None:
    assert clean(text) == expected
    assert mended(text) == done


@given(st.text())
def test_cleaning_twice_is_cleaning_once_and_keeps_the_letters(text: str) -> None:
    once = clean(text)
    assert clean(once) == once
    assert same_letters(once) == same_letters(text)
    assert bool(mended(text)) == (once != text)


def test_labels_of_one_spelling_stand_together_by_falling_count() -> None:
    counts = {
        "tshirts": 3,
        "Tshirts": 120,
        "TSHIRTS": 3,
        "Track  Pants": 1,
        "Track Pants": 1,
        "Jeans": 9,
        "T-shirts": 2,
    }
    assert variants(counts) == [
        {"Tshirts": 120, "TSHIRTS": 3, "tshirts": 3},
        {"Track  Pants": 1, "Track Pants": 1},
    ]
    assert variants({"T-shirts": 2, "Tshirts": 120, "Café": 1, "Cafe": 5}, look_alike) == [
        {"Tshirts": 120, "T-shirts": 2},
        {"Cafe": 5, "Café": 1},
    ]


@pytest.mark.parametrize("other", ["TSHIRTS", "t shirts", "Tshi\u00adrts", "Ｔshirts", "Tshirts\u200d"])
def test_case_spaces_invisible_characters_and_unicode_form_make_no_other_label(other: str) -> None:
    assert same_letters(other) == same_letters("Tshirts")


def test_the_most_frequent_spelling_is_taken_and_of_equals_the_first_by_name() -> None:
    counts = {"tops": 2, "Tops": 2, "Shoes": 1, "shoes": 4, "Jeans": 3}
    expected = {"Tops": "Tops", "tops": "Tops", "shoes": "shoes", "Shoes": "shoes"}
    assert most_frequent(counts) == expected
    assert most_frequent(dict(reversed(counts.items()))) == expected


def test_a_label_that_cannot_be_told_by_eye_is_shown_with_its_characters() -> None:
    assert visible("Track Pants") == "Track Pants"
    assert visible("Track  Pants") == "'Track  Pants'"
    assert visible("Ts\u200bhirts\u00a0") == "'Ts\\u200bhirts\\xa0'"


def test_names_are_met_in_another_unicode_form_and_in_other_spellings_where_that_is_asked_for() -> None:
    decomposed = unicodedata.normalize("NFD", "Décolleté")
    assert Names([decomposed, "Tops"], by_letters=False).of("Décolleté") == decomposed
    assert Names(["Tops"], by_letters=False).of("TOPS") is None
    assert Names(["Tops", "tops"], by_letters=True).of("TOPS") == "Tops"
    assert Names(["Tops", "tops"], by_letters=True).of("tops") == "tops"
