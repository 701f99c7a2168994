"""Which column of a manifest has the titles that people see."""

from tagger.manifest.manifest import Manifest

_TITLES = ("productDisplayName", "title", "name", "productName", "product_name", "displayName")


def title_column(manifest: Manifest) -> str | None:
    """The first column that is called as titles usually are; None where there is none."""
    return next((name for name in _TITLES if name in manifest.columns), None)
