"""Splits labelled items into train, val, test and control."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tagger.errors import InputError
from tagger.flow.hash_order import hash_order
from tagger.manifest.no_value import NoValue
from tagger.manifest.ordered_cells import as_moment, as_number, year_of

SPLITS = ("train", "val", "test", "control")
_ROUNDING = 1e-9
_FIRST_YEAR, _LAST_YEAR = 1000, 3000
_DEFAULT_NO_VALUE = NoValue()


def stratified(
    ids: Sequence[str],
    leaves: Sequence[int],
    shares: dict[str, float],
    seed: int,
    groups: Sequence[int] | np.ndarray | None = None,
) -> np.ndarray:
    """Split items by leaf, with error diffusion: each side's rounding error is carried from leaf to leaf.

    So leaves of a few items still give every side its share over the catalogue: each leaf is at most about one item, or
    one group, off its share, and so is the sum over leaves. Every leaf keeps an item to train on. A group that is more
    than half of its leaf trains.

    The result does not depend on the order of the items. With few exceptions an item keeps its side as long as the
    items of its leaf stay the same: growth of another leaf changes the carried error, and may move the last item of a
    side, at most one a side in each later leaf. Leaves with few items mostly come first, so that growth of large leaves
    does not affect them.

    Args:
        ids: Unique ids, [N].
        leaves: Leaf number of each item, [N].
        shares: Share of val, test and control; train takes the rest.
        seed: Another seed gives another split.
        groups: Group number of each item, [N]; a group stays together, in the leaf of most of its items.

    Returns:
        Names of SPLITS, object [N].
    """
    frame = pd.DataFrame({"leaf": np.asarray(leaves), "order": hash_order(ids, seed)})
    frame["group"] = np.arange(len(frame)) if groups is None else np.asarray(groups)
    units = _units(frame, ids, seed)
    carried = dict.fromkeys(SPLITS[1:], 0.0)
    side = np.full(len(units), SPLITS[0], object)
    first_of_leaf = np.flatnonzero(units["leaf"].ne(units["leaf"].shift()).to_numpy())
    sizes = units["items"].to_numpy()
    ends = np.append(first_of_leaf[1:], len(units))
    for begin, end in zip(first_of_leaf, ends, strict=True):
        items = int(sizes[begin:end].sum())
        movable = begin + np.flatnonzero(sizes[begin:end] * 2 <= items)
        divisible = int(sizes[movable].sum())
        if len(movable) == end - begin:
            movable = movable[:-1]  # one must train
        leaf_shares = [shares.get(name, 0.0) * divisible for name in SPLITS[1:]]
        position = 0
        for name, share, start in zip(SPLITS[1:], leaf_shares, _starts(sizes[movable], leaf_shares), strict=True):
            position = max(position, start)
            taken = _taken(sizes[movable[position:]], share, share + carried[name]) if share else 0
            chosen = movable[position : position + taken]
            side[chosen] = name
            carried[name] += shares.get(name, 0.0) * items - int(sizes[chosen].sum())
            position += taken
    return frame["group"].map(pd.Series(side, index=units.index)).to_numpy(object)


def _units(frame: pd.DataFrame, ids: Sequence[str], seed: int) -> pd.DataFrame:
    """Units that move as one, by group number: leaf and items; in the order of leaves, mostly the smallest first.

    Leaves are ordered by the smallest hash of their items, descending, and so independently of their numbers, which
    change with every new leaf. A group is ordered in its leaf by the hash of its smallest id; the smallest hash would
    favour large groups.
    """
    frame = frame.assign(items=frame.groupby("group")["leaf"].transform("size"), id=pd.Series(ids, dtype=object))
    alone = frame["items"] == 1
    together = frame[~alone]
    least = together.sort_values("id").drop_duplicates("group").set_index("group")["id"]
    votes = together.groupby(["group", "leaf"]).size().rename("votes").reset_index()
    most = votes.sort_values(["votes", "leaf"], ascending=[False, True]).drop_duplicates("group").set_index("group")
    grouped = together.drop_duplicates("group").set_index("group")[["items"]]
    grouped = grouped.assign(order=hash_order(least.reindex(grouped.index).tolist(), seed), leaf=most["leaf"])
    units = pd.concat([frame[alone].set_index("group")[["items", "order", "leaf"]], grouped])
    units["leaf_order"] = np.iinfo(np.uint64).max - units.groupby("leaf")["order"].transform("min")
    return units.sort_values(["leaf_order", "leaf", "order"], kind="stable")


def _starts(sizes: np.ndarray, shares: Sequence[float]) -> list[int]:
    """The unit of a leaf at which each side begins, with room for one more item a side, so that sides stay in place.

    In leaves too small for that, each side begins where the previous one ends.
    """
    room = np.cumsum([0, *(np.floor(share + _ROUNDING) + 1 if share else 0 for share in shares)])
    starts = np.searchsorted(np.cumsum(sizes) - sizes, room[:-1])
    if room[-1] > sizes.sum() or starts[-1] >= len(sizes):
        return [0] * len(shares)
    return [int(start) for start in starts]


def _taken(sizes: np.ndarray, share: float, quota: float) -> int:
    """The number of a leaf's units, from the first on, that comes nearest to a side's quota.

    A unit belongs to the side that contains its middle, in half-open intervals, up to rounding. A leaf compensates for
    others by at most its share once more, or by one unit.
    """
    taken = items = 0
    for size in sizes:
        if items + size / 2 > quota + _ROUNDING or (items and items + size > 2 * share + _ROUNDING):
            break
        items += int(size)
        taken += 1
    return taken


def connected(columns: Sequence[Sequence[str | None]]) -> np.ndarray:
    """Group items that share a value in any column, directly or through other items.

    Args:
        columns: N values each; missing and blank values connect nothing.

    Returns:
        Group number of each item, int [N].
    """
    items = len(columns[0])
    rows: list[np.ndarray] = []
    values: list[np.ndarray] = []
    nodes = items  # of a graph: first the items, then the distinct values of each column
    for column in columns:
        codes, names = pd.factorize(pd.Series(list(column), dtype=object).replace("", None))
        has_value = codes >= 0
        rows.append(np.flatnonzero(has_value))
        values.append(codes[has_value] + nodes)
        nodes += len(names)
    row, value = np.concatenate(rows), np.concatenate(values)
    links = coo_array((np.ones(len(row), bool), (row, value)), shape=(nodes, nodes))
    return np.asarray(connected_components(links, directed=False)[1][:items])


def chronological(ids: Sequence[str], times: np.ndarray, shares: dict[str, float], seed: int) -> np.ndarray:
    """Split items by time: train is the oldest, then come val, test and control.

    No item is newer than an item of a later side; items of one time are divided by hash. An item without a time trains.

    Args:
        ids: Unique ids, [N].
        times: The order of the items, for example from `as_times`, float64 [N]; NaN without a time.
        shares: Share of val, test and control; train takes the rest.
        seed: Divides items of one time.

    Returns:
        Names of SPLITS, object [N].
    """
    frame = pd.DataFrame({"time": times, "order": hash_order(ids, seed)})
    rank = np.empty(len(frame), np.int64)
    rank[frame.sort_values(["time", "order"], kind="stable", na_position="first").index] = np.arange(len(frame))
    side = np.full(len(frame), SPLITS[0], object)
    end = len(frame)
    for name in reversed(SPLITS[1:]):
        begin = end - round(shares.get(name, 0.0) * len(frame))
        side[(rank >= begin) & (rank < end) & frame["time"].notna().to_numpy()] = name
        end = begin
    return side


def as_times(
    ids: Sequence[str], cells: Sequence[str | None], column: str, no_value: NoValue = _DEFAULT_NO_VALUE
) -> np.ndarray:
    """Cells as sortable years (with fractions for ISO dates) or numbers, float64 [N]; NaN where a cell is empty.

    Args:
        ids: Ids of the items, [N].
        cells: Numbers, such as years, or ISO dates, [N].
        column: Their column, for messages.
        no_value: What counts as empty.

    Raises:
        InputError: when a cell is neither a number nor an ISO date, when dates are mixed with numbers that are no
            years, or when all cells are empty.
    """
    times: dict[str, float | None] = {
        cell: _as_time(cell) for cell in set(cells) if cell is not None and not no_value.means_none(cell)
    }
    given = [(item, cell) for item, cell in zip(ids, cells, strict=True) if cell in times]
    invalid = [(item, cell) for item, cell in given if times[cell] is None]
    where = f"--time-by {column}"
    if not given:
        raise InputError(f"{where}: not one cell of {column} has a value; name another column, or take another --split")
    if invalid:
        some = f"{len(invalid):,} of {len(given):,} cells" if len(invalid) < len(given) else "not one cell"
        verb = "are neither a number nor an ISO date" if len(invalid) < len(given) else "is a number or an ISO date"
        item, cell = invalid[0]
        raise InputError(f"{where}: {some} of {column} {verb}, such as {cell!r} (id {item}); write dates as 2026-11-27")
    number_cells = [cell for cell in times if as_number(cell) is not None]
    no_years = [cell for cell in number_cells if not _FIRST_YEAR <= as_number(cell) <= _LAST_YEAR]  # type: ignore[operator]
    if no_years and len(number_cells) < len(times):
        date = next(cell for cell in times if as_number(cell) is None)
        raise InputError(f"{where}: {column} has dates such as {date!r} beside numbers such as {min(no_years)!r}")
    return np.array([times.get(cell or "", np.nan) for cell in cells], np.float64)


def _as_time(cell: str) -> float | None:
    number = as_number(cell)
    if number is not None:
        return float(number) if np.isfinite(float(number)) else None
    moment = as_moment(cell)
    return None if moment is None else year_of(moment)
