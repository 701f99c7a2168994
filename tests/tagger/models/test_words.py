"""Words of any script, and titles in several languages."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from tagger.dataset.label_words import mentions, without_label
from tagger.models.words import words_of
from tagger.training.titles import fit_titles
from tests.tagger.models.title_languages import LANGUAGES


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("puma men's t-shirt 2", ["puma", "men", "shirt"]),
        ("腕時計 2024年", ["腕時", "時計", "2024", "年"]),
        ("ナイキair靴", ["ナイ", "イキ", "air", "靴"]),
        ("กางเกง", ["กาง", "างเ", "งเก", "เกง"]),
        ("साडी काली", ["साडी", "काली"]),
    ],
)
def test_scripts_without_spaces_count_by_neighbouring_letters(text: str, words: list[str]) -> None:
    assert words_of(text) == words


@given(st.text(st.characters(max_codepoint=0x6FF)))
def test_words_between_spaces_are_those_of_scikit_learn(text: str) -> None:
    assert words_of(text) == TfidfVectorizer().build_tokenizer()(text)


@pytest.mark.parametrize("name", LANGUAGES)
def test_titles_of_each_language_tell_types_apart(name: str) -> None:
    language = LANGUAGES[name]
    model = fit_titles(["title"], *language.titles(320), language.types)
    titles, leaves = language.titles(80, seed=1)
    probabilities, is_known = model.read(titles)
    assert (probabilities.argmax(axis=1) == leaves).all()
    assert is_known.all()
    probabilities, is_known = model.read(language.types)
    assert (probabilities.argmax(axis=1) == np.arange(8)).all(), "the word of a type alone, as no title has it"
    assert is_known.all()
    probabilities, is_known = model.read([language.foreign])
    assert not is_known.any()
    assert probabilities[0] == pytest.approx(model.prior)


def test_one_model_reads_a_catalogue_of_several_languages() -> None:
    parts = [language.titles(320) for language in LANGUAGES.values()]
    titles = [title for part, _ in parts for title in part]
    leaves = np.concatenate([leaves for _, leaves in parts])
    model = fit_titles(["title"], titles, leaves, LANGUAGES["German"].types)
    for name, language in LANGUAGES.items():
        titles, leaves = language.titles(80, seed=1)
        assert (model.read(titles)[0].argmax(axis=1) == leaves).mean() > 0.97, name


@pytest.mark.parametrize("name", [name for name in LANGUAGES if name != "German"])
def test_titles_name_their_type_and_can_be_read_without_it(name: str) -> None:
    language = LANGUAGES[name]
    titles, leaves = language.titles(80)
    types = [language.types[leaf] for leaf in leaves]
    assert mentions(titles, types).all()
    bare = [without_label(title, label) for title, label in zip(titles, types, strict=True)]
    assert not mentions(bare, types).any()
    assert all(bare)
    others = [language.types[(leaf + 1) % 8] for leaf in leaves]
    assert not mentions(titles, others).any()
    assert [without_label(title, label) for title, label in zip(titles, others, strict=True)] == [
        " ".join(title.split()) for title in titles
    ]
