"""`map.yaml`: every name is text, and what is wrong is said with its place."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.errors import InputError
from tagger.io.location import Location
from tagger.pim.fields import fields_of
from tagger.pim.map_file import as_text, read_map
from tagger.pim.targets import load_target
from tagger.schemas.documents.export_map import ExportMap

_NAME = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=15)


def read(folder: Path, text: str) -> ExportMap:
    (folder / "map.yaml").write_text(text, encoding="utf-8")
    return read_map(Location(str(folder / "map.yaml")))


def test_words_that_yaml_takes_for_something_else_are_classes_and_codes(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "target: akeneo\nfields:\n  categories:\n    as: category\n    values:\n      No: 010\n      1e3: 2026-01-01\n"
        "      Yes: on\n      Left: false\n      Open:\n      Briefs: {Men: 1_0, '*': ~}\n",
    )
    assert found.fields["categories"].values == {
        "No": "010", "1e3": "2026-01-01", "Yes": "on", "Left": False, "Open": None, "Briefs": {"Men": "1_0", "*": None},
    }  # fmt: skip


@given(values=st.dictionaries(_NAME, st.one_of(st.none(), st.just(False), _NAME, st.dictionaries(_NAME, _NAME))))
def test_a_map_comes_back_from_its_text(values: dict[str, object], tmp_path_factory: pytest.TempPathFactory) -> None:
    field = {"as": "column", "of": ["a,b", "{c}"], "values": values}
    given_map = ExportMap.model_validate({"target": "table", "key": "a: b", "fields": {"x, [y]": field}})
    notes: dict[tuple[str, ...], str] = {("fields", "x, [y]", "values", name): "unsure" for name in values}
    text = as_text(given_map, "a heading\nof two lines", notes)
    assert read(tmp_path_factory.mktemp("map"), text) == given_map


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("fields: [", "not YAML"),
        ("- a", "holds no map"),
        ("target: akeneo\nfields: {}", "fields: is too short"),
        ("target: akeneo\nfields: {c: {as: category, values: {A: a, A: b}}}", "'A' stands twice"),
        ("target: akeneo\nfields: {c: {as: category, values: {A: [a]}}}", "fields.c.values.A"),
        (
            "target: akeneo\nfields: {c: {as: category, valeus: {}}}",
            "fields.c: unknown key 'valeus' .did you mean values",
        ),
    ],
)
def test_what_is_wrong_in_a_map_is_said_with_its_place(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("target", "fields", "said"),
    [
        ("akeneo", {"categories": {"as": "categry", "values": {}}}, "did you mean category"),
        ("akeneo", {"cats": {"as": "category", "values": {}}}, "as category it is called categories"),
        ("akeneo", {"categories": {"as": "category", "values": {"A": "Body & Mist"}}}, "letters, digits"),
        ("woocommerce", {"Categories": {"as": "category", "values": {"A": "Apparel >"}}}, "an import would change it"),
        ("magento", {"categories": {"as": "category", "values": {"A": "Apparel/A"}}}, "begins with Default Category/"),
        ("google", {"product_type": {"as": "type", "values": {"A": "A, B"}}}, "a comma separates"),
        ("google", {"google_product_category": {"as": "category", "values": {"A": "212"}}}, "not ID and PATH"),
        ("shopify-csv", {"Product category": {"as": "category", "values": "same"}}, "categories of its own"),
        ("akeneo", {"brand": {"as": "text", "of": "gender", "values": {}, "master": {"A": "a"}}}, "master is for"),
        ("akeneo", {"a": {"as": "text", "values": {"A": {"Men": "a"}}}}, "2 levels deep, but are of articleType"),
        ("table", {"a": {"as": "column", "values": {"A": " "}}}, "an empty cell would erase"),
    ],
)
def test_a_target_refuses_what_it_cannot_hold(target: str, fields: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        fields_of(ExportMap.model_validate({"target": target, "fields": fields}), load_target(target), "--map m.yaml")


@pytest.mark.parametrize(
    "target", ["akeneo", "akeneo-api", "shopify-csv", "shopify-bulk", "woocommerce", "magento", "google", "table"]
)
def test_every_target_is_described(target: str) -> None:
    described = load_target(target)
    assert described.title
    assert described.how
    assert described.roles
