"""PIM systems and shops in memory: each exports its products, and imports files by its own importer's rules.

They know nothing of the code that is tested. Rules are those of the importers' documentation and code: what replaces
and what appends, what an empty cell does, how several values are separated and escaped, what is created unasked.
"""

import csv
import io
import json
import re
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openpyxl

Attributes = dict[str, str]


class RefusedError(Exception):
    """A file that an importer does not take."""


@dataclass
class Product:
    """What a shop knows of one product."""

    categories: list[str] = field(default_factory=list)
    attributes: Attributes = field(default_factory=dict)
    title: str = "Thing"
    tags: list[str] = field(default_factory=list)


@dataclass
class Shop:
    """Products by key, and the values that exist."""

    products: dict[str, Product]
    known_categories: set[str] = field(default_factory=set)
    known_options: dict[str, set[str]] = field(default_factory=dict)
    created: list[str] = field(default_factory=list)
    """Categories that imports have created unasked."""
    skipped: list[str] = field(default_factory=list)
    """Rows that an import passed over, in words."""

    def copy(self) -> "Shop":
        """An equal one."""
        return deepcopy(self)


def rows_of(file: Path, delimiter: str) -> list[dict[str, str]]:
    """The rows of CSV in UTF-8 as RFC 4180 has it, with all that a strict importer refuses."""
    data = file.read_bytes()
    if data.startswith(b"\xef\xbb\xbf"):
        raise RefusedError("a byte order mark")
    reader = csv.reader(io.StringIO(data.decode("utf-8"), newline=""), delimiter=delimiter, strict=True)
    header, *rows = list(reader)
    if len(set(header)) < len(header):
        raise RefusedError("a heading twice")
    if any(len(row) != len(header) for row in rows):
        raise RefusedError("a row with too few or too many cells")
    return [dict(zip(header, row, strict=True)) for row in rows]


def table(columns: list[str], rows: Iterable[Iterable[str]], delimiter: str) -> bytes:
    """CSV as a shop exports it."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerows([columns, *rows])
    return out.getvalue().encode()


class Akeneo:
    """Codes; categories are replaced; an empty cell erases, an absent column does not."""

    name, ending = "akeneo", "csv"

    def export(self, shop: Shop) -> bytes:
        """All products."""
        names = sorted({name for p in shop.products.values() for name in p.attributes} | {"article_type"})
        rows = [
            [key, ",".join(p.categories), *(p.attributes.get(name, "") for name in names)]
            for key, p in shop.products.items()
        ]
        return table(["sku", "categories", *names], rows, ";")

    def load(self, shop: Shop, folder: Path) -> None:
        """Import the product files of a folder."""
        for file in sorted(folder.glob("akeneo-*.csv")):
            for row in rows_of(file, ";"):
                self._row(shop, row)
        for file in sorted(folder.glob("akeneo-*.xlsx")):
            sheet = openpyxl.load_workbook(file).worksheets[0]
            header, *rows = [[cell if cell is not None else "" for cell in row] for row in sheet.values]
            for cells in rows:
                self._row(shop, {str(name): str(cell) for name, cell in zip(header, cells, strict=True)})

    def _row(self, shop: Shop, row: dict[str, str]) -> None:
        product = shop.products.get(row["sku"])
        if product is None:
            raise RefusedError(f"would create the product {row['sku']!r}")
        codes = [code for code in row.get("categories", "").split(",") if code]
        options = shop.known_options["article_type"]
        if not shop.known_categories.issuperset(codes) or row.get("article_type", "") not in {"", *options}:
            shop.skipped.append(f"unknown code in {row}")
            return
        if "categories" in row:
            product.categories = codes
        for name, cell in row.items():
            if name not in ("sku", "categories"):
                if cell:
                    product.attributes[name] = cell
                else:
                    product.attributes.pop(name, None)


class AkeneoApi:
    """PATCH with one JSON document a line; 100 of them a request."""

    name, ending = "akeneo-api", "jsonl"

    def export(self, shop: Shop) -> bytes:
        """All products, as the API lists them."""
        lines = [
            {
                "identifier": key, "categories": p.categories, "enabled": True,
                "values": {n: [{"locale": None, "scope": None, "data": v}] for n, v in p.attributes.items()},
            }
            for key, p in shop.products.items()
        ]  # fmt: skip
        return "".join(json.dumps(line) + "\n" for line in lines).encode()

    def load(self, shop: Shop, folder: Path) -> None:
        """Send each file as one request."""
        for file in sorted(folder.glob("akeneo-api-*.jsonl")):
            lines = file.read_text(encoding="utf-8").split("\n")
            if lines.pop() or len(lines) > 100:
                raise RefusedError("more than 100 lines, or the last one has no end")
            for line in map(json.loads, lines):
                product = shop.products[line["identifier"]]
                if "categories" in line:
                    if not shop.known_categories.issuperset(line["categories"]):
                        shop.skipped.append(str(line))
                        continue
                    product.categories = list(line["categories"])
                for code, values in line.get("values", {}).items():
                    (value,) = values
                    if value["data"] is None:
                        product.attributes.pop(code, None)
                    else:
                        product.attributes[code] = value["data"]


class ShopifyCsv:
    """Handle and Title in each row; a blank cell overwrites; a product has several rows, the first with its data."""

    name, ending = "shopify-csv", "csv"

    def __init__(self, taxonomy: dict[str, str]) -> None:
        self._taxonomy = taxonomy
        """Paths by id."""

    def export(self, shop: Shop) -> bytes:
        """All products, each with two variants; categories as their paths."""
        columns = ["URL handle", "Title", "Description", "Product category", "Type", "Tags", "SKU"]
        rows = []
        for key, p in shop.products.items():
            category = self._taxonomy[p.categories[0]] if p.categories else ""
            rows.append([key, p.title, "<p>text</p>", category, p.attributes.get("Type", ""), ", ".join(p.tags), key])
            rows.append([key, "", "", "", "", "", f"{key}-2"])
        return table(columns, rows, ",")

    def load(self, shop: Shop, folder: Path) -> None:
        """Import with "Overwrite products with matching handles"."""
        ids = {**{path: i for i, path in self._taxonomy.items()}, **{i: i for i in self._taxonomy}}
        for file in sorted(folder.glob("shopify-csv-*.csv")):
            if file.stat().st_size > 15_000_000:
                raise RefusedError("more than 15 MB")
            for row in rows_of(file, ","):
                product = shop.products.get(row["URL handle"])
                if product is None or not row["Title"]:
                    raise RefusedError(f"would create a product, or has no title: {row}")
                product.title = row["Title"]
                if "Product category" in row:
                    known = ids.get(row["Product category"])
                    product.categories = [known] if known else []
                    if row["Product category"] and not known:
                        shop.skipped.append(f"no category {row['Product category']!r}")
                if "Type" in row:
                    product.attributes["Type"] = row["Type"]
                    if not row["Type"]:
                        del product.attributes["Type"]


class ShopifyBulk:
    """Variables of mutations, one a line; absent keys are kept."""

    name, ending = "shopify-bulk", "jsonl"
    _address = "gid://shopify/TaxonomyCategory/"

    def __init__(self, taxonomy: dict[str, str]) -> None:
        self._taxonomy = taxonomy

    def export(self, shop: Shop) -> bytes:
        """The result of a bulk query, with metafields and variants as lines of their own."""
        lines: list[dict[str, Any]] = []
        for key, p in shop.products.items():
            category = p.categories[0] if p.categories else None
            lines.append(
                {
                    "id": key, "title": p.title, "productType": p.attributes.get("productType", ""), "tags": p.tags,
                    "category": {"id": self._address + category, "fullName": self._taxonomy[category]}
                    if category else None,
                }
            )  # fmt: skip
            lines += [
                {"id": f"{key}/m/{n}", "namespace": n.split(".")[0], "key": n.split(".")[1], "value": v,
                 "__parentId": key}
                for n, v in p.attributes.items() if "." in n
            ]  # fmt: skip
            lines.append({"id": f"{key}/v", "sku": f"sku-{key}", "__parentId": key})
        return "".join(json.dumps(line) + "\n" for line in lines).encode()

    def load(self, shop: Shop, folder: Path) -> None:
        """Run each file with the mutation that lies beside it."""
        for file in sorted(folder.glob("shopify-bulk-*.jsonl")):
            mutation = next(m.read_text() for m in folder.glob("*.graphql") if file.name.startswith(m.stem))
            (call,) = re.findall(r"(productUpdate|metafieldsSet|metafieldsDelete)\(", mutation)
            for line in map(json.loads, file.read_text(encoding="utf-8").splitlines()):
                self._call(shop, call, line)

    def _call(self, shop: Shop, call: str, line: dict[str, Any]) -> None:
        if call == "productUpdate":
            given = line["product"]
            product = shop.products[given["id"]]
            if "category" in given:
                category = given["category"]
                if category is not None and category.removeprefix(self._address) not in self._taxonomy:
                    raise RefusedError(f"no category {category!r}")
                product.categories = [category.removeprefix(self._address)] if category else []
            if "productType" in given:
                product.attributes["productType"] = given["productType"]
                if not given["productType"]:
                    del product.attributes["productType"]
            return
        if len(line["metafields"]) > 25:
            raise RefusedError("more than 25 metafields")
        for each in line["metafields"]:
            name = f"{each['namespace']}.{each['key']}"
            if call == "metafieldsDelete":
                shop.products[each["ownerId"]].attributes.pop(name, None)
            elif not each["value"]:
                raise RefusedError("a blank value")
            else:
                shop.products[each["ownerId"]].attributes[name] = each["value"]


class WooCommerce:
    """Categories and attributes are replaced, `\\,` is a comma, a lone 0 is nothing, unknown categories are created."""

    name, ending = "woocommerce", "csv"

    def export(self, shop: Shop) -> bytes:
        """All products."""
        most = max((len(p.attributes) for p in shop.products.values()), default=0)
        columns = ["ID", "Type", "SKU", "Name", "Categories"]
        for n in range(1, most + 1):
            columns += [f"Attribute {n} name", f"Attribute {n} value(s)", f"Attribute {n} visible",
                        f"Attribute {n} global"]  # fmt: skip
        rows = []
        for number, (key, p) in enumerate(shop.products.items()):
            cells = [str(number), "simple", key, p.title, self._joined(p.categories)]
            for name, value in p.attributes.items():
                cells += [name, self._joined(value.split("|")), "1", "1"]
            rows.append(cells + [""] * (len(columns) - len(cells)))
        return table(columns, rows, ",")

    def load(self, shop: Shop, folder: Path) -> None:
        """Import with "Existing products that match by ID or SKU will be updated"."""
        for file in sorted(folder.glob("woocommerce-*.csv")):
            for row in rows_of(file, ","):
                product = shop.products.get(row["SKU"])
                if product is None:
                    shop.skipped.append("No matching product exists to update.")
                    continue
                if "Categories" in row:
                    product.categories = [self._category(shop, text) for text in self._exploded(row["Categories"])]
                numbers = sorted({int(m[1]) for name in row if (m := re.match(r"Attribute (\d+) name", name))})
                named = [n for n in numbers if row[f"Attribute {n} name"] not in ("", "0")]
                if named:
                    product.attributes = {}
                for n in named:
                    cell = row[f"Attribute {n} value(s)"]
                    if re.match(r"'[=+@-]", cell):
                        cell = cell[1:]
                    values = [self._cleaned(value) for value in self._exploded(cell)]
                    if any(values):
                        product.attributes[row[f"Attribute {n} name"]] = "|".join(values)

    def _category(self, shop: Shop, text: str) -> str:
        path = " > ".join(part.strip() for part in text.split(">"))
        for known in shop.known_categories:
            if known.casefold() == path.casefold():
                return known
        shop.created.append(path)
        return path

    @staticmethod
    def _joined(values: list[str]) -> str:
        return ", ".join(value.replace(",", "\\,") for value in values)

    @staticmethod
    def _exploded(cell: str) -> list[str]:
        if cell in ("", "0"):
            return []
        return [part.replace("::separator::", ",").strip() for part in cell.replace("\\,", "::separator::").split(",")]

    @staticmethod
    def _cleaned(value: str) -> str:
        """As `sanitize_text_field` does: tags, percent codes and runs of spaces go."""
        value = re.sub(r"<[^>]*>?", "", value)
        value = re.sub(r"[\r\n\t ]+", " ", value).strip()
        return re.sub(r"%[a-fA-F0-9]{2}", "", value)


class Magento:
    """Add/Update: categories are added, never taken away; `|` separates; what is unknown is created."""

    name, ending = "magento", "csv"

    def export(self, shop: Shop) -> bytes:
        """All products by Magento's own export, with commas between categories, and attributes packed into a cell."""
        rows = []
        for key, p in shop.products.items():
            packed = ",".join(f"{name}={value}" for name, value in p.attributes.items())
            rows.append([key, "", "Default", "simple", ",".join(p.categories), p.title, packed])
            rows.append([key, "nl", "", "", "", f"{p.title} NL", ""])
        columns = ["sku", "store_view_code", "attribute_set_code", "product_type", "categories", "name",
                   "additional_attributes"]  # fmt: skip
        return table(columns, rows, ",")

    def load(self, shop: Shop, folder: Path) -> None:
        """Import with `|` as the multiple value separator; then take away what the lists say, by hand."""
        for file in sorted(folder.glob("magento-*.csv")):
            if "take-away" in file.name:
                continue
            for row in rows_of(file, ","):
                self._row(shop, row)
        for file in sorted(folder.glob("magento-take-away-categories-*.csv")):
            for row in rows_of(file, ","):
                shop.products[row["sku"]].categories.remove(row["categories"])

    def _row(self, shop: Shop, row: dict[str, str]) -> None:
        product = shop.products.get(row["sku"])
        if product is None:
            raise RefusedError(f"would create the product {row['sku']!r}")
        for name, cell in row.items():
            if name == "sku" or not cell:  # an empty cell keeps
                continue
            if name == "categories":
                for path in cell.split("|"):
                    known = next((k for k in shop.known_categories if k.lower() == path.lower()), None)
                    if known is None:
                        shop.created.append(path)
                    if (known or path) not in product.categories:
                        product.categories.append(known or path)
            elif cell == "__EMPTY__VALUE__":
                product.attributes.pop(name, None)
            else:
                label = next((o for o in shop.known_options[name] if o.lower() == cell.lower()), None)
                if label is None:
                    shop.skipped.append(f"incorrect value {cell!r}")
                    return
                product.attributes[name] = label


class Google:
    """A supplemental feed: a new file takes the place of the last one; what it does not say is as before."""

    name, ending = "google", "tsv"

    def export(self, shop: Shop) -> bytes:
        """The feed as it is."""
        rows = [
            [key, p.categories[0] if p.categories else "", p.attributes.get("product_type", "")]
            for key, p in shop.products.items()
        ]
        return table(["id", "google_product_category", "product_type"], rows, "\t")

    def load(self, shop: Shop, folder: Path) -> None:
        """Upload all files, in place of what there was."""
        for product in shop.products.values():
            product.categories, product.attributes = [], {}
        for file in sorted(folder.glob("google-*.tsv")):
            for row in rows_of(file, "\t"):
                product = shop.products[row["id"]]
                if not all(row.values()):
                    raise RefusedError("an empty cell")
                if category := row.get("google_product_category"):
                    if not re.fullmatch(r"\d+", category):
                        raise RefusedError(f"no id: {category!r}")
                    product.categories = [category]
                if kind := row.get("product_type"):
                    if "," in kind or len(kind) > 750:
                        raise RefusedError(f"more than one type: {kind!r}")
                    product.attributes["product_type"] = kind


class Plytix:
    """Any table: a column that is there is set, an empty cell erases."""

    name, ending = "table", "csv"

    def export(self, shop: Shop) -> bytes:
        """All products."""
        rows = [
            [key, p.title, p.categories[0] if p.categories else "", p.attributes.get("Article type", "")]
            for key, p in shop.products.items()
        ]
        return table(["SKU", "Label", "Category", "Article type"], rows, ";")

    def load(self, shop: Shop, folder: Path) -> None:
        """Import each table."""
        for file in sorted(folder.glob("table-*.csv")):
            for row in rows_of(file, ","):
                product = shop.products[row["SKU"]]
                if "Category" in row:
                    product.categories = [row["Category"]] if row["Category"] else []
                if "Article type" in row:
                    product.attributes["Article type"] = row["Article type"]
                    if not row["Article type"]:
                        del product.attributes["Article type"]
