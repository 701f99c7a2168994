"""The config of a run as its command meant it: relative paths begin where the command ran."""

import os
import re

from tagger.io.location import Location
from tagger.schemas.documents.run import RunRecord

_PLACES = ("manifest", "images", "images_root", "model")
_NO_PATH = re.compile(r"[a-z][a-z0-9+.-]*://|column:|file:|~|/")


def config_of(root: Location, record: RunRecord) -> dict[str, object]:
    """A run's config, with absolute paths where the run's own place shows what relative ones began with.

    A run that was asked for as `runs/monday` and lies in `/shop/runs/monday` was asked for in `/shop`, also where the
    whole folder has moved since.
    """
    out = record.config.get("out")
    if root.is_s3 or not isinstance(out, str) or not out or _NO_PATH.match(out):
        return record.config
    ending = os.path.normpath(out)
    if ending.startswith("..") or not root.path.endswith(f"/{ending}"):
        return record.config
    base = root.path.removesuffix(f"/{ending}")
    found = dict(record.config)
    for name in _PLACES:
        value = found.get(name)
        if isinstance(value, str) and value and not _NO_PATH.match(value):
            found[name] = f"{base}/{value.removeprefix('./')}"
    return found
