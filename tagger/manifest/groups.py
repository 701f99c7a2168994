"""Groups of items that show one picture, from the output of tagger duplicates."""

from collections.abc import Sequence

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tagger.errors import InputError, UsageError
from tagger.io.location import Location, first_line

GROUPS, PAIRS = "groups.parquet", "pairs.parquet"


def read_groups(folder: Location, columns: Sequence[str] = ("id", "imageDigest", "group", "conflict")) -> pd.DataFrame:
    """The items of all groups: id, imageDigest, group (a number), conflict (whether labels in the group differ).

    Args:
        folder: The output folder of tagger duplicates.
        columns: Which columns, by DUPLICATE.

    Raises:
        UsageError: when it has no groups.
        InputError: when its file is no Parquet, or lacks columns.
    """
    file = folder / GROUPS
    if not file.exists():
        raise UsageError(f"--duplicates: there is no {file}; tagger duplicates writes it")
    with file.open_random() as source:
        try:
            groups: pd.DataFrame = pq.read_table(source, columns=[*columns]).to_pandas()
        except pa.ArrowInvalid as error:
            raise InputError(
                f"--duplicates: {file} was not written by tagger duplicates: {first_line(error)}"
            ) from error
    return groups


def picture_key(group: float) -> str:
    """The key that items of a group share, by the group's number."""
    return f"group {group:.0f}"


def pictures_of(digests: pd.Series, groups: pd.DataFrame | None) -> pd.Series:
    """A key that items with one picture share, from their images' present digests.

    Args:
        digests: SHA-256 of each image file, str [N].
        groups: From `read_groups`; None compares image files alone.
    """
    if groups is None:
        return digests
    group = digests.map(groups.drop_duplicates("imageDigest").set_index("imageDigest")["group"])
    return digests.mask(group.notna(), group.map(picture_key))
