"""How products stand in the files of a target: read from its own export, and written for its import."""

from collections.abc import Callable, Sequence

from tagger.pim.fields import Field
from tagger.pim.forms.akeneo_api import AkeneoApi
from tagger.pim.forms.base import Form
from tagger.pim.forms.shopify_bulk import ShopifyBulk
from tagger.pim.forms.table import TableForm
from tagger.schemas.documents.export_map import ExportMap
from tagger.schemas.documents.target import Target


def form_of(target: Target, export_map: ExportMap, fields: list[Field], further: list[str]) -> Form:
    """The form of a target's files.

    Args:
        target: The target.
        export_map: Names the columns of keys and ids.
        fields: What is written.
        further: Columns of --current that decide about values.
    """
    key = export_map.key or target.key.headings[0]
    kinds: dict[str, Callable[[Target, str, str, Sequence[Field], Sequence[str]], Form]] = {
        "table": TableForm,
        "akeneo_api": AkeneoApi,
        "shopify_bulk": ShopifyBulk,
    }
    return kinds[target.form](target, key, export_map.id or key, fields, further)
