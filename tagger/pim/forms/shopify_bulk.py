"""Shopify's bulk operations: the result of a bulk query, and the variables of bulk mutations."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tagger.io.location import Location
from tagger.manifest.spelling import clean
from tagger.notices import Notices
from tagger.pim.fields import Field
from tagger.pim.forms.base import Document, Record
from tagger.pim.forms.json_lines import objects_of
from tagger.pim.values import Values, written
from tagger.schemas.documents.target import Target

PRODUCT, METAFIELDS, METAFIELDS_DELETE = "product-update", "metafields-set", "metafields-delete"
MUTATIONS = {
    PRODUCT: """mutation call($product: ProductUpdateInput!) {
  productUpdate(product: $product) {
    product { id category { id fullName } productType }
    userErrors { field message }
  }
}
""",
    METAFIELDS: """mutation call($metafields: [MetafieldsSetInput!]!) {
  metafieldsSet(metafields: $metafields) {
    metafields { id namespace key value }
    userErrors { field message code }
  }
}
""",
    METAFIELDS_DELETE: """mutation call($metafields: [MetafieldIdentifierInput!]!) {
  metafieldsDelete(metafields: $metafields) {
    deletedMetafields { ownerId namespace key }
    userErrors { field message }
  }
}
""",
}
"""The mutation of each kind of file."""
_PARENT = "__parentId"
_ONE_LINE = "single_line_text_field"


class ShopifyBulk:
    """Products as a bulk query gives them: lines with __parentId belong to the product before.

    Args:
        target: The target.
        key: id.
        item: id or handle of the product, or sku of its variants.
        fields: What is written; a metafield is called NAMESPACE.KEY.
        further: Keys of the product that decide about values.
    """

    def __init__(self, target: Target, key: str, item: str, fields: Sequence[Field], further: Sequence[str]) -> None:
        self.key, self._item, self._fields, self._further = key, item, fields, further
        self.has_other_columns = True

    def records(self, files: Sequence[Location], notices: Notices) -> Iterator[Record]:
        """The products of an export; once for each variant where ids are those of variants."""
        for file in files:
            products: dict[str, dict[str, Any]] = {}
            further: dict[str, list[dict[str, Any]]] = {}
            for line in objects_of(file, notices):
                if _PARENT in line:
                    further.setdefault(str(line[_PARENT]), []).append(line)
                elif line.get(self.key):
                    products[str(line[self.key])] = line
            for key, product in products.items():
                yield from self._records(key, product, [*further.get(key, ()), *_inner(product)])

    def documents(self, record: Record, values: Mapping[Field, Values]) -> Iterator[tuple[str, Document]]:
        """The variables of up to three mutations."""
        product: dict[str, object] = {"id": record.key}
        to_set: list[dict[str, str]] = []
        to_delete: list[dict[str, str]] = []
        for field, all_values in values.items():
            texts = [written(field.form, value) for value in all_values]
            match field.role:
                case "category":
                    product["category"] = texts[0] if texts else None
                case "tags":
                    product["tags"] = texts
                case "type":
                    product["productType"] = texts[0] if texts else ""
                case _:
                    namespace, _, key = field.heading.partition(".")
                    place = {"ownerId": record.key, "namespace": namespace, "key": key}
                    if texts:
                        to_set.append({**place, "type": _ONE_LINE, "value": texts[0]})
                    else:
                        to_delete.append(place)
        if len(product) > 1:
            yield PRODUCT, {"product": product}
        if to_set:
            yield METAFIELDS, {"metafields": to_set}
        if to_delete:
            yield METAFIELDS_DELETE, {"metafields": to_delete}

    def _records(self, key: str, product: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> Iterator[Record]:
        metafields = {f"{line['namespace']}.{line['key']}": str(line["value"]) for line in lines
                      if line.get("namespace") and line.get("key") and line.get("value") is not None}  # fmt: skip
        values = {field.heading: _value(product, field, metafields) for field in self._fields}
        rest = {name: str(product[name]) for name in self._further if product.get(name)}
        if isinstance(item := product.get(self._item), str):
            ids = [item]
        else:
            ids = [str(line[self._item]) for line in lines if line.get(self._item)]
        for each in ids:
            yield Record(clean(each), key, values, rest)


def _value(product: Mapping[str, Any], field: Field, metafields: Mapping[str, str]) -> Values:
    match field.role:
        case "category":
            category = product.get("category")
            found = category.get("id") or category.get("fullName") if isinstance(category, dict) else category
            return (str(found),) if found else ()
        case "tags":
            tags = product.get("tags") or ()
            return tuple(tags.split(", ")) if isinstance(tags, str) else tuple(map(str, tags))
        case "type":
            return (str(product["productType"]),) if product.get("productType") else ()
        case _:
            text = metafields.get(field.heading, "")
            return (text,) if text else ()


def _inner(product: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Metafields and variants that stand within a product, alone or as a connection."""
    found: list[dict[str, Any]] = []
    for value in product.values():
        if isinstance(value, dict):
            nodes = value.get("nodes") or [edge.get("node") for edge in value.get("edges") or ()]
            found += [node for node in nodes if isinstance(node, dict)] or [value]
    return found
