"""Groups of items that show one picture, as tagger duplicates has written them."""

import pandas as pd
import pyarrow.parquet as pq

from tagger.errors import UsageError
from tagger.io.location import Location

GROUPS = "groups.parquet"


def read_groups(folder: Location) -> pd.DataFrame:
    """The items of all groups, a row each: id, imageDigest, group (its number), conflict (whether its labels differ).

    Args:
        folder: What tagger duplicates wrote to.

    Raises:
        UsageError: when it has no groups.
    """
    file = folder / GROUPS
    if not file.exists():
        raise UsageError(f"--duplicates: there is no {file}; tagger duplicates writes it")
    with file.open_random() as source:
        found: pd.DataFrame = pq.read_table(source, columns=["id", "imageDigest", "group", "conflict"]).to_pandas()
    return found


def pictures_of(digests: pd.Series, groups: pd.DataFrame | None) -> pd.Series:
    """What items with one picture share, by the digests of their images: an item may have another image since.

    Args:
        digests: SHA-256 of each image file, str [N].
        groups: What `read_groups` gives; without it, a picture is a file.
    """
    if groups is None:
        return digests
    group = digests.map(groups.drop_duplicates("imageDigest").set_index("imageDigest")["group"])
    return digests.mask(group.notna(), group.map("group {:.0f}".format))
