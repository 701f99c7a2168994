"""The user's cache folder: what may be deleted at any time, and is only made again."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """This product's folder below XDG_CACHE_HOME, or below ~/.cache; it need not exist."""
    caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 - no home, no error
    return Path(caches) / "catalog-tagger"
