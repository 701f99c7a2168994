"""What harms a shop when an exporter does not know its importer: each trap, with an exporter that steps into it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tagger.schemas.configs.export import ExportConfig
from tagger.workflows.export import export
from tests.tagger.pim.runs import write_map, write_tags
from tests.tagger.pim.shops import Akeneo, Magento, Product, Shop, WooCommerce, table

COMMA = ("Personal Care", "Perfume, Body & Mist")
TSHIRTS = ("Apparel", "Tshirts")
SLASH = ("Apparel", "Tops/Blouses")
Importer = Akeneo | WooCommerce | Magento


def naive(importer: Importer, leaf: tuple[str, str]) -> bytes:
    """The file of an exporter that writes names as they are, and thinks of this product's row alone."""
    match importer.name:
        case "woocommerce":
            columns = ["SKU", "Categories", "Attribute 1 name", "Attribute 1 value(s)", "Attribute 1 visible",
                       "Attribute 1 global"]  # fmt: skip
            return table(columns, [["1", " > ".join(leaf), "Article type", leaf[1], "1", "1"]], ",")
        case "magento":
            path = "/".join(["Default Category", *leaf])
            return table(["sku", "categories", "article_type"], [["1", path, leaf[1]]], ",")
        case _:
            return table(["sku", "categories", "article_type"], [["1", leaf[1], ""]], ";")


def category_of(importer: Importer, leaf: tuple[str, str]) -> str:
    """The category of a class in the shop."""
    if importer.name == "magento":
        return "/".join(["Default Category", *(part.replace("/", "\\/") for part in leaf)])
    return " > ".join(leaf)


def lost(value: str) -> Callable[[Shop], bool]:
    """Whether the product no longer has a category."""
    return lambda shop: value not in shop.products["1"].categories


TRAPS: dict[str, tuple[Importer, tuple[str, str], Product, Callable[[Shop], bool]]] = {
    "a merchandising category is lost, for the list is replaced": (
        WooCommerce(), TSHIRTS, Product(["Sale"]), lost("Sale"),
    ),
    "a comma in a name makes two categories": (
        WooCommerce(), COMMA, Product(), lambda shop: bool(shop.created),
    ),
    "attributes that the row does not name are dropped": (
        WooCommerce(), TSHIRTS, Product([], {"Colour": "Navy|Red, dark", "Size": "M"}),
        lambda shop: shop.products["1"].attributes.keys() != {"Colour", "Size", "Article type"},
    ),
    "a category that is not there is created": (
        WooCommerce(), ("Apparel", "Kilts"), Product(["Sale"]), lambda shop: bool(shop.created),
    ),
    "a row without a value erases": (
        Akeneo(), TSHIRTS, Product([], {"article_type": "Tshirts"}),
        lambda shop: "article_type" not in shop.products["1"].attributes,
    ),
    "a slash in a name makes a level": (
        Magento(), SLASH, Product(), lambda shop: bool(shop.created),
    ),
    "an unknown category is created in Magento, too": (
        Magento(), ("Apparel", "Kilts"), Product(["Default Category/Sale"]), lambda shop: bool(shop.created),
    ),
    "a category of an earlier export stays beside the new one": (
        Magento(), TSHIRTS, Product(["Default Category/Apparel/Tops\\/Blouses"]),
        lambda shop: len(shop.products["1"].categories) > 1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("trap", TRAPS)
def test_a_naive_exporter_is_caught_and_ours_is_not(trap: str, tmp_path: Path) -> None:
    importer, leaf, product, is_harmed = TRAPS[trap]
    leaves = [TSHIRTS, COMMA, SLASH]
    shop = Shop({"1": product})
    if importer.name == "akeneo":
        shop.known_categories = {"tshirts", "Tshirts"}
        shop.known_options = {"article_type": {"tshirts", "Tshirts"}}
    else:
        shop.known_categories = {category_of(importer, each) for each in leaves} | {*product.categories}
        shop.known_options = {"article_type": {article for _, article in [*leaves, leaf]}}

    harmed = shop.copy()
    (tmp_path / "naive").mkdir()
    (tmp_path / f"naive/{importer.name}-1.csv").write_bytes(naive(importer, leaf))
    importer.load(harmed, tmp_path / "naive")
    assert is_harmed(harmed), "the trap is none"

    out = exported(importer, leaf, shop, tmp_path)
    importer.load(shop, out)
    assert not is_harmed(shop)
    assert (shop.created, shop.skipped) == ([], [])


def exported(importer: Importer, leaf: tuple[str, str], shop: Shop, folder: Path) -> Path:
    """What we write for the product, whose class was another one in an export before."""
    names = {article for _, article in (TSHIRTS, COMMA, SLASH, leaf)}
    masters = {article: master for master, article in (TSHIRTS, COMMA, SLASH, leaf)}
    if importer.name == "akeneo":
        fields: dict[str, dict[str, object]] = {
            "categories": {"as": "category", "values": {"Tshirts": "tshirts"}},
            "article_type": {"as": "attribute", "values": {"Tshirts": "Tshirts"}},
        }
    else:
        column = "Categories" if importer.name == "woocommerce" else "categories"
        attribute = "Article type" if importer.name == "woocommerce" else "article_type"
        fields = {
            column: {"as": "category", "values": {n: category_of(importer, (masters[n], n)) for n in names}},
            attribute: {"as": "attribute", "values": "same"},
        }
    run = write_tags(folder, {"1": (leaf, "accept")})
    maps = write_map(folder / "map.yaml", importer.name, fields)
    (folder / "known.csv").write_text("category\n" + "".join(f'"{c}"\n' for c in sorted(shop.known_categories)))
    (folder / "current.csv").write_bytes(importer.export(shop))
    config = ExportConfig(
        run=str(run), map=str(maps), current=[str(folder / "current.csv")], out=str(folder / "out"), pictures=False,
        taxonomy=[] if importer.name == "akeneo" else [str(folder / "known.csv")], overwrite="all", max_changes="100%",
    )  # fmt: skip
    export(config)
    return folder / "out"
