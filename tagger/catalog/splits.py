"""Which labelled items train the model, which steer it, and which judge it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tagger.catalog.drawing import hash_order

SPLITS = ("train", "val", "test", "control")


def stratified(
    ids: Sequence[str],
    leaves: Sequence[int],
    shares: dict[str, float],
    seed: int,
    groups: Sequence[int] | np.ndarray | None = None,
) -> np.ndarray:
    """Split items by leaf: each side gets its share of every leaf, to the nearest item, or to the nearest group.

    The result does not depend on the order of the items, and an item of a leaf keeps its side as long as the leaf's
    items stay the same.

    Args:
        ids: Unique ids, [N].
        leaves: Leaf number of each item, [N].
        shares: Share of val, test and control; train takes the rest.
        seed: Another seed gives another split.
        groups: Number of each item's group, [N]: a group stays together, with the leaf that most of it has.

    Returns:
        Names of SPLITS, object [N].
    """
    frame = pd.DataFrame({"leaf": np.asarray(leaves), "order": hash_order(ids, seed)})
    frame["group"] = np.arange(len(frame)) if groups is None else np.asarray(groups)
    by_group = frame.groupby("group")
    units = by_group.agg(items=("order", "size"))
    least = pd.Series(list(ids), dtype=object).groupby(frame["group"]).min()  # the least hash would favour large groups
    units["order"] = hash_order(least.tolist(), seed)
    units["leaf"] = frame["leaf"] if groups is None else by_group["leaf"].agg(lambda found: found.mode().iloc[0])
    units = units.sort_values(["leaf", "order"], kind="stable")
    middle = (units.groupby("leaf")["items"].cumsum() - units["items"] / 2).to_numpy()
    size = units.groupby("leaf")["items"].transform("sum").to_numpy()
    side = np.full(len(units), "train", object)
    begin = np.zeros(len(units))
    for name in SPLITS[1:]:
        end = begin + shares.get(name, 0.0) * size
        side[(middle > np.round(begin)) & (middle < np.round(end))] = name
        begin = end
    return frame["group"].map(pd.Series(side, index=units.index)).to_numpy(object)


def connected(columns: Sequence[Sequence[str | None]]) -> np.ndarray:
    """Number the groups of items that belong together: those that share a value in any column, and whoever they share.

    Args:
        columns: Of N values each; a missing or blank value joins nothing.

    Returns:
        Number of each item's group, int [N].
    """
    items = len(columns[0])
    rows: list[np.ndarray] = []
    values: list[np.ndarray] = []
    found = items
    for column in columns:
        codes, names = pd.factorize(pd.Series(list(column), dtype=object).replace("", None))
        there = codes >= 0
        rows.append(np.flatnonzero(there))
        values.append(codes[there] + found)
        found += len(names)
    row, value = np.concatenate(rows), np.concatenate(values)
    links = coo_array((np.ones(len(row), bool), (row, value)), shape=(found, found))
    return np.asarray(connected_components(links, directed=False)[1][:items])


def chronological(ids: Sequence[str], times: Sequence[str | None], shares: dict[str, float], seed: int) -> np.ndarray:
    """Split items by time: train is the oldest, then come val, test and control.

    No item is newer than one of a later side; items of one time are shared out by hash. An item whose time is missing
    or unreadable trains.

    Args:
        ids: Unique ids, [N].
        times: Number (such as a year) or ISO date of each item, [N].
        shares: Share of val, test and control; train takes the rest.
        seed: Shares out the items of one time.

    Returns:
        Names of SPLITS, object [N].
    """
    frame = pd.DataFrame({"time": as_times(times), "order": hash_order(ids, seed)})
    rank = np.empty(len(frame), np.int64)
    rank[frame.sort_values(["time", "order"], kind="stable", na_position="first").index] = np.arange(len(frame))
    side = np.full(len(frame), SPLITS[0], object)
    end = len(frame)
    for name in reversed(SPLITS[1:]):
        begin = end - round(shares.get(name, 0.0) * len(frame))
        side[(rank >= begin) & (rank < end) & frame["time"].notna().to_numpy()] = name
        end = begin
    return side


def as_times(texts: Sequence[str | None]) -> np.ndarray:
    """Numbers that order years or ISO dates, float64 [N]; NaN where a text is neither."""
    column = pd.Series(list(texts), dtype=object)
    numbers = pd.to_numeric(column, errors="coerce")
    dates = pd.to_datetime(column.where(numbers.isna()), errors="coerce", format="ISO8601", utc=True)
    begin = pd.Timestamp(0, tz="UTC")
    years = 1970 + (dates - begin).dt.total_seconds() / (365.2425 * 86_400)
    return np.asarray(numbers.fillna(years), np.float64)
