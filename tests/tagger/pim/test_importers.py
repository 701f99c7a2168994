"""Exports into shops that obey their importers' rules: what was wanted changes, and the undo restores the rest."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tagger.decisions.final_tags import NO_VALUES
from tagger.manifest.spelling import clean
from tagger.pim.drafting import code_of
from tagger.schemas.configs.export import ExportConfig, RollbackConfig
from tagger.schemas.tables.change import Outcome
from tagger.workflows.export import export
from tagger.workflows.export_writing import UNDO
from tagger.workflows.rollback import rollback
from tests.tagger.pim.runs import write_map, write_tags
from tests.tagger.pim.shops import (
    Akeneo,
    AkeneoApi,
    Google,
    Magento,
    Plytix,
    Product,
    Shop,
    ShopifyBulk,
    ShopifyCsv,
    WooCommerce,
)

TAXONOMY = {f"aa-{n}": f"Apparel & Accessories > Clothing > Kind {n}" for n in range(1, 9)}
GOOGLE = {str(200 + n): f"Apparel & Accessories > Clothing > Kind {n}" for n in range(1, 9)}
MERCHANDISING = ["summer_sale", "new_in"]
_ODD = ["Perfume, Body & Mist", "No", "1e3", "007", "Tops/Blouses", "Ä-Linie", '5" heels', "a : b", "T-Shirts", "null",
        "A > B", "x" * 40, "100% wool", "it's", "#tags", "- dash"]  # fmt: skip


class Importer(Protocol):
    """A shop's export and import."""

    name: str
    ending: str

    def export(self, shop: Shop) -> bytes:
        """The shop's own export."""
        ...

    def load(self, shop: Shop, folder: Path) -> None:
        """Import what lies in a folder."""
        ...


@dataclass(frozen=True)
class Way:
    """How one target is written: its importer, and what the map says."""

    importer: Importer
    category: str
    attribute: str
    role: str
    is_list: bool = False
    keys: st.SearchStrategy[str] | None = None
    creates: bool = False
    key: str | None = None
    kind: str = "category"

    def values(self, number: int, master: str, article: str) -> tuple[str, str, str, str]:
        """Of a class: the category as the map has it, and as the shop does; the same of the attribute."""
        match self.importer.name:
            case "akeneo" | "akeneo-api":
                code = f"{code_of(article)}_{number}"
                return code, code, code, code
            case "shopify-csv" | "shopify-bulk":
                i = f"aa-{number + 1}"
                return f"{i} : {TAXONOMY[i]}", i, article, article
            case "google":
                i = str(201 + number)
                return f"{i} - {GOOGLE[i]}", i, f"{master} > {article}".replace(",", ""), ""
            case "woocommerce":
                path = " > ".join(_plain(part) for part in (master, article))
                return path, path, _plain(article), _plain(article)
            case "magento":
                bare = article.replace("|", "").strip() or "x"
                path = "/".join(["Default Category", *(part.replace("/", "\\/") for part in (master, bare))])
                return path, path, bare, bare
            case _:
                return article, article, article, article


def _plain(text: str) -> str:
    """A name that WooCommerce keeps as it is."""
    for mark in "<>%\\'=+-@|":
        text = text.replace(mark, "")
    return " ".join(text.split()) or "x"


_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]), min_size=1, max_size=12)
NAMES = (
    st.one_of(st.sampled_from(_ODD), _TEXT)
    .map(clean)
    .filter(lambda name: name != "0" and not NO_VALUES.means_none(name))
)
IDS = st.one_of(st.sampled_from(["00101", "101", "=1+1", "-5", "A,b", 'q"x', "é;ü", "0", "x y"]), _TEXT)
CLEAN_IDS = IDS.map(clean).filter(bool)
HANDLES = st.from_regex(r"[a-z0-9]{1,6}(-[a-z0-9]{1,4})?", fullmatch=True)
GIDS = st.integers(1, 10**9).map(lambda n: f"gid://shopify/Product/{n}")

WAYS = {
    "akeneo": Way(Akeneo(), "categories", "article_type", "attribute", is_list=True),
    "akeneo-api": Way(AkeneoApi(), "categories", "article_type", "attribute", is_list=True),
    "shopify-csv": Way(ShopifyCsv(TAXONOMY), "Product category", "Type", "type", keys=HANDLES),
    "shopify-bulk": Way(ShopifyBulk(TAXONOMY), "category", "custom.article_type", "metafield", keys=GIDS),
    "woocommerce": Way(WooCommerce(), "Categories", "Article type", "attribute", is_list=True, creates=True),
    "magento": Way(Magento(), "categories", "article_type", "attribute", is_list=True, creates=True),
    "google": Way(Google(), "google_product_category", "product_type", "type"),
    "table": Way(Plytix(), "Category", "Article type", "column", key="SKU", kind="column"),
}


@dataclass
class Drawn:
    """A shop before an export, and the tags of its items."""

    shop: Shop
    tags: dict[str, tuple[tuple[str, str], str]]
    fields: dict[str, dict[str, Any]]
    wanted: dict[str, tuple[str, str | None]]
    """What the shop should have of each item to set: its category, and its attribute where the type is sure."""
    managed: set[str]
    changed_later: dict[str, str]
    """Items of which a person changes something after the import, and what."""


@st.composite
def drawn(draw: st.DrawFn, way: Way) -> Drawn:
    """A shop, its tags and its map."""
    names = draw(st.lists(NAMES, min_size=2, max_size=5, unique_by=lambda n: code_of(n) or n.casefold()))
    masters = ["Apparel", "Personal Care"]
    leaves = [(masters[n % 2], name) for n, name in enumerate(names)]
    values = {leaf: way.values(n, *leaf) for n, leaf in enumerate(leaves)}
    if len({v[1].casefold() for v in values.values()}) < len(values):  # two classes became one name
        leaves = leaves[:1]
        values = {leaves[0]: values[leaves[0]]}
    rough = {"Apparel": "apparel", "Personal Care": "personal_care"} if way.is_list else {}
    if way.importer.name == "magento":
        rough = {master: f"Default Category/{master}" for master in rough}
    if way.importer.name == "woocommerce":
        rough = {master: master for master in rough}
    fields: dict[str, dict[str, Any]] = {
        way.category: {"as": way.kind, "values": {a: values[(m, a)][0] for m, a in leaves}, "master": rough},
        way.attribute: {"as": way.role, "values": {a: values[(m, a)][2] for m, a in leaves}},
    }
    managed = {v[1] for v in values.values()} | set(rough.values())
    merchandising = [f"Default Category/{m}" if way.importer.name == "magento" else m for m in MERCHANDISING]
    shop = Shop({}, known_categories=managed | set(merchandising))
    shop.known_options = {way.attribute: {v[3] for v in values.values()}}
    if way.importer.name == "akeneo":
        shop.known_options = {"article_type": {v[3] for v in values.values()}}
    tags: dict[str, tuple[tuple[str, str], str]] = {}
    wanted: dict[str, tuple[str, str | None]] = {}
    later: dict[str, str] = {}
    keys = draw(st.lists(CLEAN_IDS if way.keys is None else way.keys, min_size=1, max_size=8, unique_by=str.casefold))
    for key in keys:
        leaf = draw(st.sampled_from(leaves))
        decision = draw(st.sampled_from(["accept", "accept", "accept", "accept_master_only", "review", "failed"]))
        tags[key] = (leaf, decision)
        product = Product(title=f"Thing {key}")
        if way.is_list and draw(st.booleans()):
            product.categories = draw(st.permutations(merchandising))[: draw(st.integers(1, 2))]
        if way.importer.name in ("akeneo", "akeneo-api", "woocommerce", "magento") and draw(st.booleans()):
            product.attributes["colour"] = "navy"
        if draw(st.integers(0, 3)) == 0:
            product.categories.append(values[draw(st.sampled_from(leaves))][1])
        if draw(st.integers(0, 3)) == 0 and way.importer.name != "google":
            product.attributes[way.attribute] = values[draw(st.sampled_from(leaves))][3]
        if draw(st.integers(0, 6)):
            shop.products[key] = product
            if decision == "accept":
                wanted[key] = (values[leaf][1], values[leaf][3])
            elif decision == "accept_master_only" and rough:
                wanted[key] = (rough[leaf[0]], None)
        if draw(st.integers(0, 3)) == 0:
            later[key] = draw(st.sampled_from(["category", "attribute"]))
    return Drawn(shop, tags, fields, wanted, managed, later)


def after_export(case: Drawn, way: Way) -> Shop:
    """What the shop should be, by the promises: a value that is there stays, and what is no class's stays, too."""
    shop = case.shop.copy()
    rough = set(case.fields[way.category]["master"].values())
    for key, (category, attribute) in case.wanted.items():
        product = shop.products[key]
        classes = [c for c in product.categories if not way.is_list or c in case.managed]
        has = product.attributes.get(way.attribute)
        keeps_category = bool(classes) and category not in classes
        says_more = attribute is None and any(c not in rough for c in classes)
        if (keeps_category and not says_more) or (attribute and has and has != attribute):
            continue
        if category not in product.categories and not says_more:
            product.categories.append(category)
        if attribute and not has:
            product.attributes[way.attribute] = attribute
    return shop


def same(one: Shop, other: Shop, is_set: bool) -> None:
    """Compare shops product by product."""
    assert one.products.keys() == other.products.keys()
    for key, product in one.products.items():
        expected = other.products[key]
        if is_set:
            assert set(product.categories) == set(expected.categories), key
        else:
            assert product.categories == expected.categories, key
        assert product.attributes == expected.attributes, key
        assert (product.title, product.tags) == (expected.title, expected.tags)


def change_by_person(case: Drawn, way: Way, shop: Shop) -> dict[str, Product]:
    """A person changes some products after the import; what these are like then."""
    other = "aa-8" if "shopify" in way.importer.name else "208" if way.importer.name == "google" else None
    touched = {}
    for key, what in case.changed_later.items():
        if key not in shop.products:
            continue
        product = shop.products[key]
        if what == "category":
            classes = [c for c in product.categories if not way.is_list or c in case.managed]
            if not classes:
                continue
            product.categories = [c for c in product.categories if c not in classes]
            if other:
                product.categories = [other]
            elif not way.is_list:
                product.categories = ["by hand"]
        elif way.attribute in product.attributes and way.importer.name not in ("google", "magento", "akeneo"):
            product.attributes[way.attribute] = "by hand"
        else:
            continue
        touched[key] = product
    return touched


@pytest.mark.parametrize("name", WAYS)
@settings(max_examples=40, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(data=st.data())
def test_an_export_sets_what_was_wanted_and_its_undo_restores_it(
    name: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    way = WAYS[name]
    case = data.draw(drawn(way))
    folder = tmp_path_factory.mktemp("case")
    if not case.shop.products:
        return
    run = write_tags(folder, case.tags)
    maps = write_map(folder / "map.yaml", name, case.fields, **({"key": way.key} if way.key else {}))
    current = folder / f"current.{way.importer.ending}"
    current.write_bytes(way.importer.export(case.shop))
    config = ExportConfig(
        run=str(run), map=str(maps), current=[str(current)], out=str(folder / "out"), pictures=False,
        create=way.creates, max_changes="0",
    )  # fmt: skip
    result = export(config)
    assert result.report.items == len(case.tags) == sum(result.report.outcomes.values())
    assert result.report.outcomes[Outcome.GONE] <= len(case.tags) - len(case.shop.products)

    shop = case.shop.copy()
    way.importer.load(shop, folder / "out")
    expected = after_export(case, way) if name != "google" else _google_after(case, shop)
    same(shop, expected, is_set=name == "magento")
    assert (shop.created, shop.skipped) == ([], [])

    at_once = shop.copy()
    if (folder / "out" / UNDO).exists() or name != "google":
        (folder / "out" / UNDO).mkdir(exist_ok=True)
        way.importer.load(at_once, folder / "out" / UNDO)
        same(at_once, case.shop, is_set=name == "magento")

    again = folder / "again"
    current.write_bytes(way.importer.export(shop))
    repeated = export(config.model_copy(update={"out": str(again)}))
    assert repeated.report.outcomes[Outcome.SET] == 0, "an export that was imported has nothing to say"

    touched = change_by_person(case, way, shop)
    current.write_bytes(way.importer.export(shop))
    if not result.report.moves:
        return
    rollback(RollbackConfig(run=str(run), current=[str(current)], out=str(folder / "undo")))
    by_person = shop.copy()
    way.importer.load(shop, folder / "undo")
    for key, product in shop.products.items():
        if key not in touched:
            same(Shop({key: product}), Shop({key: case.shop.products[key]}), is_set=name == "magento")
            continue
        ours = set(case.shop.products[key].categories) | set(by_person.products[key].categories)
        assert set(product.categories) <= ours
        if case.changed_later[key] == "attribute":
            assert product.attributes.get(way.attribute) == "by hand"
        else:
            left = [c for c in by_person.products[key].categories if c not in case.shop.products[key].categories]
            assert set(left) <= set(product.categories), "what a person chose stays"
    shutil.rmtree(folder)


def _google_after(case: Drawn, shop: Shop) -> Shop:
    """Types are paths, which the map makes of the class: they are compared with what the map says."""
    expected = case.shop.copy()
    types = case.fields["product_type"]["values"]
    for key, (category, _) in case.wanted.items():
        product, article = expected.products[key], case.tags[key][0][1]
        if product.categories and category not in product.categories:
            continue
        product.categories = [category]
        product.attributes["product_type"] = types[article]
    return expected
