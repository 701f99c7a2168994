"""Which item of a catalogue is on which side, as a bundle keeps it."""

import pandas as pd

from tagger.errors import InputError, UsageError
from tagger.io.location import Location, first_line
from tagger.io.parquet import open_parquet

SPLITS_FILE = "splits.parquet"


def read_splits(bundle: Location, flag: str = "--model") -> "pd.Series[str]":
    """Read which side of the split each item of a bundle is on.

    `items["id"].map(read_splits(bundle))` is the side of each of some items, NaN for those that the bundle does not
    know. Ask `(bundle / SPLITS_FILE).exists()` first where a bundle without the file is no error.

    Args:
        bundle: The bundle's folder.
        flag: What named the bundle, for messages.

    Returns:
        Names of SPLITS by id, [N], in the order in which the bundle has them.

    Raises:
        UsageError: when there is no such folder, or it cannot be reached.
        InputError: when it has no such file, or the file no columns id and split.
    """
    file = bundle / SPLITS_FILE
    try:
        absent = None if file.exists() else InputError if bundle.exists() else UsageError
    except OSError as error:
        raise UsageError(f"{flag}: {bundle} cannot be read: {first_line(error)}") from error
    if absent:
        raise absent(f"{flag}: there is no {file}, which says what was trained on")
    with open_parquet(file) as table:
        if missing := {"id", "split"} - {*table.schema_arrow.names}:
            raise InputError(f"{flag}: {file} has no column {min(missing)}")
        rows = table.read(columns=["id", "split"])
    index = pd.Index(rows["id"].to_pylist(), name="id", dtype=object)
    return pd.Series(rows["split"].to_pylist(), index=index, name="split", dtype=object)
