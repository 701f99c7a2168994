"""Drafts of maps: what is called the same is filled in, and nothing is guessed."""

from pathlib import Path

import pytest

from tagger.errors import UsageError
from tagger.io.location import Location
from tagger.notices import Notices
from tagger.pim.drafting import Classes, Drafted, draft_map
from tagger.pim.targets import load_target
from tagger.pim.taxonomy_files import Taxonomy, read_taxonomies
from tagger.schemas.configs.export import ExportConfig
from tagger.workflows.export import export
from tagger.workflows.export_map import write_map
from tests.tagger.pim.runs import write_tags

SHOPIFY = """# Shopify Product Taxonomy - Categories: 2026-08
gid://shopify/TaxonomyCategory/aa        : Apparel & Accessories
gid://shopify/TaxonomyCategory/aa-1      : Apparel & Accessories > Clothing
gid://shopify/TaxonomyCategory/aa-1-1    : Apparel & Accessories > Clothing > T-Shirts
gid://shopify/TaxonomyCategory/aa-1-2    : Apparel & Accessories > Clothing > Men's Underwear > Briefs
gid://shopify/TaxonomyCategory/aa-1-3    : Apparel & Accessories > Clothing > Women's Underwear > Briefs
gid://shopify/TaxonomyCategory/aa-1-4    : Apparel & Accessories > Clothing > Boys' Underwear > Briefs
gid://shopify/TaxonomyCategory/aa-2      : Apparel & Accessories > Jewelry > Watches
gid://shopify/TaxonomyCategory/aa-3      : Apparel & Accessories > Handbags, Wallets & Cases > Handbags
"""
GOOGLE = """# Google_Product_Taxonomy_Version: 2021-09-21
1604 - Apparel & Accessories > Clothing
212 - Apparel & Accessories > Clothing > Shirts & Tops
201 - Apparel & Accessories > Jewelry > Watches
3032 - Apparel & Accessories > Handbags, Wallets & Cases > Handbags
"""
LEAVES = {
    ("Apparel", "Tshirts"): 40, ("Apparel", "Briefs"): 10, ("Accessories", "Watches"): 30,
    ("Accessories", "Handbags"): 15, ("Apparel", "Sweatshirts"): 5,
}  # fmt: skip
BY_GENDER = {("Briefs", "Men"): 6, ("Briefs", "Women"): 3, ("Briefs", "Unisex"): 1, ("Tshirts", "Men"): 40}


def known(folder: Path, *texts: str) -> Taxonomy:
    files = []
    for n, text in enumerate(texts):
        (folder / f"{n}.txt").write_text(text, encoding="utf-8")
        files.append(Location(str(folder / f"{n}.txt")))
    return read_taxonomies(files, Notices())


def draft(target: str, taxonomy: Taxonomy, by: str | None = None, is_new: bool = False) -> Drafted:
    tags = BY_GENDER if by else {}
    return draft_map(target, load_target(target), Classes(LEAVES, by, tags, is_new), taxonomy)


def test_names_that_differ_in_hyphens_case_and_plural_are_one_and_others_get_suggestions(tmp_path: Path) -> None:
    drafted = draft("shopify-csv", known(tmp_path, SHOPIFY))
    assert drafted.map.fields["Product category"].values == {
        "Tshirts": "aa-1-1 : Apparel & Accessories > Clothing > T-Shirts", "Briefs": None,
        "Watches": "aa-2 : Apparel & Accessories > Jewelry > Watches",
        "Handbags": "aa-3 : Apparel & Accessories > Handbags, Wallets & Cases > Handbags", "Sweatshirts": None,
    }  # fmt: skip
    assert (drafted.sure["Product category"], drafted.sure_items["Product category"]) == (3, 85)
    place = ("fields", "Product category", "values")
    assert drafted.notes[(*place, "Briefs")].count("Underwear > Briefs") == 3
    assert "aa-1-1 : " in drafted.notes[(*place, "Sweatshirts")]
    assert drafted.map.taxonomy == "2026-08"


def test_one_type_becomes_several_categories_by_the_wearer(tmp_path: Path) -> None:
    field = draft("shopify-csv", known(tmp_path, SHOPIFY), by="gender").map.fields["Product category"]
    assert field.of == ("articleType", "gender")
    assert isinstance(field.values, dict)
    assert field.values["Briefs"] == {
        "Men": "aa-1-2 : Apparel & Accessories > Clothing > Men's Underwear > Briefs",
        "Women": "aa-1-3 : Apparel & Accessories > Clothing > Women's Underwear > Briefs", "Unisex": None,
    }  # fmt: skip


def test_a_markets_types_are_the_shops_own_and_lose_what_splits_them(tmp_path: Path) -> None:
    drafted = draft("google", known(tmp_path, GOOGLE))
    assert drafted.map.fields["google_product_category"].values == {
        "Tshirts": None, "Briefs": None, "Watches": "201 - Apparel & Accessories > Jewelry > Watches",
        "Handbags": "3032 - Apparel & Accessories > Handbags, Wallets & Cases > Handbags", "Sweatshirts": None,
    }  # fmt: skip
    types = drafted.map.fields["product_type"].values
    assert isinstance(types, dict)
    assert types["Tshirts"] == "Apparel > Tshirts"


def test_codes_are_those_of_the_pims_own_exports(tmp_path: Path) -> None:
    options = "attribute;code;label-en_US\nproduct_type;tee;Tshirts\nproduct_type;briefs;Briefs\ncolour;red;Red\n"
    tree = "code;parent;label-en_US\nmaster;;Master\nmen;master;Apparel\ntee_cat;men;T-shirts\n"
    drafted = draft("akeneo", known(tmp_path, options, tree))
    fields = drafted.map.fields
    assert list(fields) == ["categories", "product_type"], "the attribute that is called a type"
    assert (fields["product_type"].values, fields["categories"].master) == (
        {"Tshirts": "tee", "Briefs": "briefs", "Watches": None, "Handbags": None, "Sweatshirts": None},
        {"Apparel": "men", "Accessories": None},
    )
    assert isinstance(fields["categories"].values, dict)
    assert fields["categories"].values["Tshirts"] == "tee_cat"


def test_a_code_that_nobody_has_shown_is_not_guessed_unless_it_is_created() -> None:
    assert draft("akeneo", Taxonomy()).sure == {"categories": 0, "article_type": 0}
    created = draft("akeneo", Taxonomy(), is_new=True).map.fields["categories"]
    assert isinstance(created.values, dict)
    assert created.values["Tshirts"] == "tshirts"


def test_the_column_with_the_runs_ids_is_found(tmp_path: Path) -> None:
    run = write_tags(tmp_path, {"007": (("Apparel", "Tshirts"), "accept")})
    rows = ["Handle,Title,Product Category,Type,Variant SKU,gender", "a-tee,A,,,007,Men", "b-tee,B,,,008,Men"]
    (tmp_path / "products.csv").write_text("\n".join(rows))
    config = ExportConfig(
        run=str(run), to="shopify-csv", current=[str(tmp_path / "products.csv")], write_map=str(tmp_path / "map.yaml")
    )
    drafted = write_map(config)
    assert (drafted.drafted.map.key, drafted.drafted.map.id) == ("Handle", "Variant SKU")


def test_a_draft_from_a_run_is_a_file_that_an_export_takes(tmp_path: Path) -> None:
    run = write_tags(tmp_path, {"1": (("Apparel", "Tshirts"), "accept"), "2": (("Apparel", "Kilts"), "accept")})
    (tmp_path / "products.csv").write_text(
        "Handle,Title,Product Category,Type,gender\na,A,,,Men\n1,One,,,Men\n2,Two,,,Men\n"
    )
    (tmp_path / "t.txt").write_text(SHOPIFY)
    config = ExportConfig(
        run=str(run), to="shopify-csv", current=[str(tmp_path / "products.csv")], taxonomy=[str(tmp_path / "t.txt")],
        write_map=str(tmp_path / "map.yaml"), by="gender", pictures=False,
    )  # fmt: skip
    drafted = write_map(config)
    assert (drafted.drafted.classes, drafted.drafted.items, drafted.drafted.map.key) == (2, 2, "Handle")
    assert drafted.drafted.map.id is None, "the key has the ids"
    text = (tmp_path / "map.yaml").read_text()
    assert "Kilts:  # unsure: " in text
    with pytest.raises(UsageError, match="is there already"):
        write_map(config)
    of_map = {"write_map": None, "map": str(tmp_path / "map.yaml"), "out": str(tmp_path / "o")}
    made = export(config.model_copy(update=of_map))
    assert made.report.findings.unmapped == {("Product category", "Kilts"): 1}
    assert (tmp_path / "o/shopify-csv-Product_Category+Type-001.csv").read_text() == (
        "Handle,Title,Product Category,Type\n1,One,aa-1-1,Tshirts\n"
    )
