"""Groups of items that show one picture, from the output of tagger duplicates."""

import pandas as pd
import pyarrow.parquet as pq

from tagger.errors import UsageError
from tagger.io.location import Location

GROUPS = "groups.parquet"


def read_groups(folder: Location) -> pd.DataFrame:
    """The items of all groups: id, imageDigest, group (a number), conflict (whether labels in the group differ).

    Args:
        folder: The output folder of tagger duplicates.

    Raises:
        UsageError: when it has no groups.
    """
    file = folder / GROUPS
    if not file.exists():
        raise UsageError(f"--duplicates: there is no {file}; tagger duplicates writes it")
    with file.open_random() as source:
        groups: pd.DataFrame = pq.read_table(source, columns=["id", "imageDigest", "group", "conflict"]).to_pandas()
    return groups


def pictures_of(digests: pd.Series, groups: pd.DataFrame | None) -> pd.Series:
    """A key that items with one picture share, from their images' present digests.

    Args:
        digests: SHA-256 of each image file, str [N].
        groups: From `read_groups`; None compares image files alone.
    """
    if groups is None:
        return digests
    group = digests.map(groups.drop_duplicates("imageDigest").set_index("imageDigest")["group"])
    return digests.mask(group.notna(), group.map("group {:.0f}".format))
