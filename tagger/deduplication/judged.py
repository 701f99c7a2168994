"""Pairs that a person has judged: what they say of a threshold, which one they ask for, and a sample to judge."""

import math

import numpy as np
import pandas as pd
import pyarrow as pa

from tagger.confidence.qa_sample import Precision
from tagger.deduplication.groups import Layouts, Pictures
from tagger.errors import InputError, UsageError
from tagger.exports.csv import as_written, csv_bytes
from tagger.flow.hash_order import hash_order
from tagger.imaging.layout import distances, mirrored
from tagger.io.location import Location
from tagger.manifest.tables.csv_rows import BadRow, CsvRows, Row
from tagger.similarity.index import VectorIndex

COLUMNS = ("first", "second", "structure", "same")
PROBABILITY = 0.95
"""With which a precision lies in the interval that is given."""
NONE_JUDGED = pd.DataFrame({"first": [], "second": [], "structure": [], "same": []}).astype(
    {"first": np.int64, "second": np.int64, "same": bool}
)
_SAMPLE_FROM, _SAMPLE_SIZE = 0.6, 200
_VERDICTS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def read_judged(file: Location) -> pd.DataFrame:
    """Judged pairs as `judged.csv` has them: COLUMNS, and the line of each. Those without an answer are left out.

    Raises:
        UsageError: when there is no such file.
        InputError: when a column is missing, a row cannot be read, or no pair is judged.
    """
    if not file.exists() or file.is_dir():
        raise UsageError(f"--judged: there is no file {file}")
    with file.open() as stream:
        source = CsvRows(stream, str(file), "auto", "auto")
        missing = [name for name in COLUMNS if name not in source.header]
        if missing:
            raise InputError(f"--judged: {file} has no column {missing[0]}; it needs {', '.join(COLUMNS)}")
        rows = [_read(row, source.header, file) for row in source.rows(last_is_text=False)]
    found = pd.DataFrame([row for row in rows if row is not None], columns=[*COLUMNS, "line"])
    if found.empty:
        raise InputError(f"--judged: no pair in {file} is judged; write true or false into its column same")
    return found.astype({"structure": float, "same": bool})


def places_of(judged: pd.DataFrame, index: VectorIndex, pictures: Pictures, file: Location) -> pd.DataFrame:
    """Judged pairs by the places of their images, the smaller first, each pair once.

    Left out are pairs that have an item that the index lacks, or two items that have the very same file by now.

    Args:
        judged: What `read_judged` gives.
        index: The items.
        pictures: Their distinct images.
        file: What was read, for errors.

    Raises:
        InputError: when a pair is judged in two ways.
    """
    numbers = [index.positions(judged[name].tolist()) for name in ("first", "second")]
    one, other = (np.where(found >= 0, pictures.of[found], -1) for found in numbers)
    found = judged.assign(first=np.minimum(one, other), second=np.maximum(one, other))
    found = found[(found["first"] >= 0) & (found["first"] != found["second"])]
    pairs = found.groupby(["first", "second"])
    unsure = found[pairs["same"].transform("nunique") > 1]
    if len(unsure):
        lines = pairs.get_group(tuple(unsure[["first", "second"]].iloc[0]))["line"].tolist()
        raise InputError(f"--judged: {file}, lines {', '.join(map(str, lines))}: one pair is judged in two ways")
    return found.drop_duplicates(["first", "second"]).reset_index(drop=True)


def precision_at(judged: pd.DataFrame, structure: float) -> Precision:
    """How precise a threshold is: the share of one picture among the judged pairs that reach it.

    Args:
        judged: structure and same.
        structure: The threshold.
    """
    reaching = judged.loc[judged["structure"] >= structure, "same"].to_numpy(bool)
    return Precision.of(reaching, len(judged), PROBABILITY)


def threshold_for(judged: pd.DataFrame, precision: float) -> float:
    """The lowest structure of a judged pair from which on the judged pairs have a precision.

    Args:
        judged: structure and same.
        precision: 0 to 1.

    Raises:
        UsageError: when there is none; it names the best.
    """
    if judged.empty:
        raise UsageError(f"--precision {precision:g}: --judged has no pair of items that the index has")
    steps = judged.groupby("structure")["same"].agg(["sum", "size"]).sort_index(ascending=False).cumsum()
    reached = steps["sum"] / steps["size"]
    enough = reached[reached >= precision]
    if enough.empty:
        best = reached[reached == reached.max()].index.min()
        raise UsageError(
            f"--precision {precision:g}: none of the {len(judged):,} judged pairs has a structure from which on they "
            f"reach it; the best is {_rounded_down(reached.max())}, from {best:g} on"
        )
    return float(enough.index.min())


def with_judged(pairs: pd.DataFrame, judged: pd.DataFrame, layouts: Layouts) -> pd.DataFrame:
    """Pairs to compare closely, and those that were judged and are not among them.

    Args:
        pairs: first, second, distance and mirrored.
        judged: What `places_of` gives.
        layouts: Those of the images.
    """
    names = ["first", "second"]
    both = judged[names].merge(pairs[names], how="left", indicator=True)
    others = both.loc[both["_merge"] == "left_only", names]
    one, other = (layouts.take(others[name].to_numpy(np.int64)) for name in names)
    plain, flipped = distances(one, other), distances(mirrored(one), other)
    added = others.assign(distance=np.minimum(plain, flipped), mirrored=flipped < plain)
    return pd.concat([pairs, added], ignore_index=True) if len(added) else pairs


def as_judged(pairs: pd.DataFrame, judged: pd.DataFrame) -> pd.DataFrame:
    """Pairs of which those that were judged count as one picture or not as they were judged: same, and judged."""
    names = ["first", "second"]
    said = pairs[names].merge(judged[[*names, "same"]], how="left", on=names)["same"]
    said = said.astype("boolean").set_axis(pairs.index)
    return pairs.assign(same=said.fillna(pairs["same"]).astype(bool), judged=said)


def still_together(index: VectorIndex, pictures: Pictures, judged: pd.DataFrame, groups: pa.Table) -> int:
    """How many pairs were judged different and are in one group all the same, as others connect them.

    Args:
        index: The items.
        pictures: Their distinct images.
        judged: What `places_of` gives.
        groups: By DUPLICATE.
    """
    group_of = groups.select(["id", "group"]).to_pandas().set_index("id")["group"]
    ids = index.items["id"]
    different = judged[~judged["same"]]
    one, other = (
        group_of.reindex(ids.take(pa.array(pictures.items[different[name]])).to_pylist()).to_numpy()
        for name in ("first", "second")
    )
    return int((one == other).sum())


def sample_of(
    index: VectorIndex, pictures: Pictures, pairs: pd.DataFrame, structure: float, colour: float, seed: int
) -> pd.DataFrame:
    """Pairs to judge, drawn by their ids, in random order: at most 200 of those around the threshold and above.

    Args:
        index: The items.
        pictures: Their distinct images.
        pairs: first, second, structure, colour and judged.
        structure: The threshold; pairs are drawn from 0.6 on, or from the threshold where that is lower.
        colour: Most that the colours of a pair may differ.
        seed: Of the draw.

    Returns:
        The columns of items with `first.` and `second.` before their names, structure and judged.
    """
    pool = pairs[(pairs["structure"] >= min(_SAMPLE_FROM, structure)) & (pairs["colour"] <= colour)]
    ids = index.items["id"]
    first, second = (ids.take(pa.array(pictures.items[pool[name]])).to_pylist() for name in ("first", "second"))
    keys = hash_order([f"{a} {b}" for a, b in zip(first, second, strict=True)], seed)
    chosen = pool.iloc[np.argsort(keys, kind="stable")[:_SAMPLE_SIZE]].reset_index(drop=True)
    sides = [
        index.items.take(pa.array(pictures.items[chosen[name]])).to_pandas().add_prefix(f"{name}.")
        for name in ("first", "second")
    ]
    found: pd.DataFrame = pd.concat([*sides, chosen[["structure", "judged"]]], axis=1)
    return found


def sample_csv(sample: pd.DataFrame) -> bytes:
    """What `sample_of` gives as CSV with COLUMNS; `same` is empty where nobody has judged the pair."""
    verdicts = [None if pd.isna(said) else str(bool(said)).lower() for said in sample["judged"]]
    columns = [sample["first.id"], sample["second.id"], sample["structure"], pa.array(verdicts, pa.string())]
    return csv_bytes(pa.table(columns, names=list(COLUMNS)))


def _read(row: Row | BadRow, header: list[str], file: Location) -> tuple[str, str, float, bool, int] | None:
    """A row's values; None without an answer."""
    where = f"--judged: {file}, line {row.line}"
    if isinstance(row, BadRow):
        raise InputError(f"{where}: {row.message}")
    values = dict(zip(header, (field.strip() for field in row.fields), strict=True))
    if not values["same"]:
        return None
    try:
        structure = float(values["structure"].replace(",", "."))
    except ValueError:
        structure = math.nan
    if not -1 <= structure <= 1:
        raise InputError(f"{where}: structure {values['structure']!r} is not a number from -1 to 1")
    same = _VERDICTS.get(values["same"].lower())
    if same is None:
        raise InputError(f"{where}: same is {values['same']!r}; write true or false, or leave it empty")
    first, second = (as_written(values[name]) for name in ("first", "second"))
    if not first or not second:
        raise InputError(f"{where}: it names no two items in first and second")
    return first, second, structure, same, row.line


def _rounded_down(share: float) -> float:
    """A share that a threshold does reach, with three decimals."""
    return math.floor(1000 * share) / 1000
