"""What PIM systems export, read as they write it."""

import json
from pathlib import Path
from typing import Any

import pytest

from tagger.errors import InputError
from tagger.io.location import Location
from tagger.notices import Notices
from tagger.pim.fields import fields_of
from tagger.pim.forms import form_of
from tagger.pim.forms.base import Record
from tagger.pim.targets import load_target
from tagger.schemas.documents.export_map import ExportMap


def read(
    folder: Path, target: str, fields: dict[str, Any], text: str, **more: object
) -> tuple[list[Record], list[str]]:
    """The products of an export, and what was said of it."""
    made = ExportMap.model_validate({"target": target, "fields": fields, **more})
    (folder / "export").write_text(text, encoding="utf-8")
    described, notices = load_target(target), Notices()
    form = form_of(described, made, fields_of(made, described, "--map"), [])
    return list(form.records([Location(str(folder / "export"))], notices)), notices.texts


CATEGORIES = {"as": "category", "values": {"A": "a"}}
TEXT = {"as": "text", "values": "same"}


@pytest.mark.parametrize("shape", ["lines", "list", "page", "pages"])
def test_akeneos_products_come_as_lines_lists_or_pages(shape: str, tmp_path: Path) -> None:
    products = [
        {
            "identifier": f"0{n}",
            "categories": ["x", "a"],
            "values": {"type": [{"locale": None, "scope": None, "data": "t"}]},
        }
        for n in range(3)
    ]
    page = {"_embedded": {"items": products}, "_links": {}}
    text = {
        "lines": "".join(json.dumps(each) + "\n" for each in products), "list": json.dumps(products, indent=1),
        "page": json.dumps(page, indent=2), "pages": json.dumps(page) + "\n",
    }[shape]  # fmt: skip
    found, said = read(tmp_path, "akeneo-api", {"categories": CATEGORIES, "type": TEXT}, text)
    assert [record.key for record in found] == ["00", "01", "02"]
    assert found[0].values == {"categories": ("x", "a"), "type": ("t",)}
    assert said == []


def test_a_value_of_another_language_or_channel_is_another_value(tmp_path: Path) -> None:
    values = [{"locale": "de_DE", "scope": None, "data": "Hemd"}, {"locale": "en_US", "scope": "web", "data": "Shirt"}]
    text = json.dumps(
        {"identifier": "1", "values": {"kind": values, "colour": [{"locale": None, "scope": None, "data": []}]}}
    )
    fields = dict.fromkeys(("kind-de_DE", "kind-en_US-web", "kind", "kind-web", "colour"), TEXT)
    ((record,), _) = read(tmp_path, "akeneo-api", fields, text + "\nno json\n")
    assert record.values == {
        "kind-de_DE": ("Hemd",),
        "kind-en_US-web": ("Shirt",),
        "kind": (),
        "kind-web": (),
        "colour": (),
    }


def test_a_line_that_is_no_json_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    found, said = read(tmp_path, "akeneo-api", {"kind": TEXT}, '{"identifier": "1"}\n{"ident\n{"identifier": "2"}\n')
    assert [record.key for record in found] == ["1", "2"]
    assert len(said) == 1
    assert "line 2: no JSON" in said[0]
    with pytest.raises(InputError, match="neither JSON nor JSON Lines"):
        read(tmp_path, "akeneo-api", {"kind": TEXT}, "sku;categories\n1;\n")


def test_magentos_own_export_packs_attributes_and_separates_categories_by_commas(tmp_path: Path) -> None:
    cells = [
        "sku,store_view_code,categories,additional_attributes",
        '1,,"Default Category/Body, Mist,Default Category/Sale","article_type=Perfume, Body,colour=red"',
        "1,nl,,article_type=Parfum",
    ]
    fields = {"categories": {"as": "category", "values": {"A": "Default Category/Sale"}},
              "article_type": {"as": "attribute", "values": "same"}}  # fmt: skip
    (found, _) = read(tmp_path, "magento", fields, "\n".join(cells))
    assert [record.values for record in found] == [
        {"categories": ("Default Category/Body, Mist", "Default Category/Sale"), "article_type": ("Perfume, Body",)}
    ]


def test_a_bulk_querys_metafields_stand_in_lines_of_their_own_or_within(tmp_path: Path) -> None:
    lines = [
        {"id": "gid://1", "category": {"id": "gid://shopify/TaxonomyCategory/aa-1"}, "productType": "",
         "tags": ["a", "b"]},
        {"id": "gid://m", "namespace": "custom", "key": "kind", "value": "Shirts", "__parentId": "gid://1"},
        {"id": "gid://v", "sku": "007", "__parentId": "gid://1"},
        {"id": "gid://2", "category": None, "tags": "x, y", "handle": "two",
         "kind": {"namespace": "custom", "key": "kind", "value": "Heels"},
         "variants": {"nodes": [{"sku": "008"}, {"sku": "009"}]}},
    ]  # fmt: skip
    fields = {"category": {"as": "category", "values": {}},
              "custom.kind": {"as": "metafield", "values": "same"},
              "tags": {"as": "tags", "values": {"A": "a"}},
              "productType": {"as": "type", "values": "same"}}  # fmt: skip
    found, _ = read(tmp_path, "shopify-bulk", fields, "".join(json.dumps(each) + "\n" for each in lines), id="sku")
    assert [(record.id, record.key) for record in found] == [("007", "gid://1"), ("008", "gid://2"), ("009", "gid://2")]
    assert found[0].values == {
        "category": ("gid://shopify/TaxonomyCategory/aa-1",), "custom.kind": ("Shirts",), "tags": ("a", "b"),
        "productType": (),
    }  # fmt: skip
    assert found[1].values["custom.kind"] == ("Heels",)
    assert found[1].values["tags"] == ("x", "y")
