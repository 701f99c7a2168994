"""Groups of items that show one picture, as tagger duplicates has written them."""

import pandas as pd
import pyarrow.parquet as pq

from tagger.errors import UsageError
from tagger.storage import Location

GROUPS = "groups.parquet"


def read_groups(folder: Location) -> pd.DataFrame:
    """The items of all groups: id, group (its number) and conflict (whether labels differ in it), a row each.

    Args:
        folder: What tagger duplicates wrote to.

    Raises:
        UsageError: when it has no groups.
    """
    file = folder / GROUPS
    if not file.exists():
        raise UsageError(f"--duplicates: there is no {file}; tagger duplicates writes it")
    with file.open_random() as source:
        found: pd.DataFrame = pq.read_table(source, columns=["id", "group", "conflict"]).to_pandas()
    return found
