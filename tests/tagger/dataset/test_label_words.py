"""Which text columns a catalogue has, and how often they name the article type."""

from pathlib import Path

import pytest

from tagger.dataset.label_words import TextColumn, TextColumns, mentions, without_label
from tests.builders import catalog_of


@pytest.mark.parametrize(
    ("text", "label", "named"),
    [
        ("Puma Men Black T-shirt", "Tshirts", True),
        ("Puma Men Black T Shirt", "Tshirts", True),
        ("Nike Men Casual Black Shoes", "Casual Shoes", True),
        ("Nike Men Black Shoes", "Casual Shoes", False),
        ("ÉCHARPE en soie", "Echarpe", True),
        ("Enroute Women Baby Doll", "Dolls", True),
        ("Doodle Girls Party Dress", "Dresses", True),
        ("Kids Accessory", "Accessories", True),
        ("Fossil Women Watch", "Tie", False),
        ("", "Tie", False),
        ("100% Baumwolle", "???", False),
    ],
)
def test_a_text_names_its_label_however_the_words_are_written(text: str, label: str, named: bool) -> None:
    assert mentions([text], [label]).tolist() == [named]


@pytest.mark.parametrize(
    ("text", "label", "rest"),
    [
        ("Puma Men Black T-shirt", "Tshirts", "Puma Men Black"),
        ("Nike Men Casual Black Shoe", "Casual Shoes", "Nike Men Black"),
        ("Fossil Women Watch", "Ties", "Fossil Women Watch"),
        ("Tie", "Ties", ""),
        ("Puma Men Black T Shirt", "Tshirts", "Puma Men Black"),
    ],
)
def test_a_label_is_taken_out_of_its_text(text: str, label: str, rest: str) -> None:
    assert without_label(text, label) == rest


def test_columns_of_words_are_counted_over_labelled_items_under_their_own_names(tmp_path: Path) -> None:
    file = tmp_path / "m.csv"
    file.write_text(
        "id,masterCategory,articleType,season,Product Name\n"
        "1,Apparel,Shirts,Winter,Blue shirt of linen\n"
        "2,Apparel,Shirts,Winter,Blue thing of linen\n"
        "3,Apparel,Shirts,Winter,\n"
        "4,,,Winter,Another shirt of linen\n"
    )
    manifest, _ = catalog_of(file, f"{tmp_path}/{{id}}.jpg")
    columns = TextColumns()
    for batch in manifest.batches():
        columns.add(batch)
    assert columns.counts == {"Product Name": TextColumn(items=2, named=1)}


def test_short_texts_of_a_later_batch_are_counted_too(tmp_path: Path) -> None:
    columns = TextColumns()
    for name, text in (("a", "Blue shirt of linen"), ("b", "Shirt")):
        (tmp_path / f"{name}.csv").write_text(f"id,masterCategory,articleType,title\n{name},Apparel,Shirts,{text}\n")
        (batch,) = catalog_of(tmp_path / f"{name}.csv", f"{tmp_path}/{{id}}.jpg")[0].batches()
        columns.add(batch)
    assert columns.counts == {"title": TextColumn(items=2, named=2)}


def test_a_column_of_a_script_without_spaces_is_text_where_it_has_more_than_a_name(tmp_path: Path) -> None:
    file = tmp_path / "m.csv"
    file.write_text(
        "id,masterCategory,articleType,colour,name\n"
        "1,服,シャツ,ネイビーブルー,プーマメンズ半袖シャツネイビー\n"
        "2,服,ズボン,黒,ナイキレディース白ロングスカート\n"
    )
    columns = TextColumns()
    for batch in catalog_of(file, f"{tmp_path}/{{id}}.jpg")[0].batches():
        columns.add(batch)
    assert columns.counts == {"name": TextColumn(items=2, named=1)}


def test_the_words_of_a_hindi_label_are_taken_out_whole() -> None:
    assert without_label("सफ़ेद साड़ी सोना", "साड़ी") == "सफ़ेद सोना"
