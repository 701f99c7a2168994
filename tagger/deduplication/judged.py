"""Pairs that a person has judged: the precision of a threshold, the threshold for a precision, a sample to judge."""

import math

import numpy as np
import pandas as pd
import pyarrow as pa

from tagger.confidence.qa_sample import Precision
from tagger.deduplication.groups import DistinctImages, Layouts
from tagger.errors import InputError, UsageError
from tagger.exports.csv import as_written, csv_bytes
from tagger.flow.hash_order import hash_order
from tagger.imaging.layout import distances, mirrored
from tagger.io.location import Location
from tagger.manifest.tables.csv_rows import BadRow, CsvRows, Row
from tagger.similarity.index import VectorIndex

COLUMNS = ("first", "second", "structure", "same")
PROBABILITY = 0.95
"""Confidence level of the interval of a precision."""
NONE_JUDGED = pd.DataFrame({"first": [], "second": [], "structure": [], "same": []}).astype(
    {"first": np.int64, "second": np.int64, "same": bool}
)
_SAMPLE_FROM, _SAMPLE_SIZE = 0.6, 200
_VERDICTS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def read_judged(file: Location) -> pd.DataFrame:
    """Read the judged pairs of `judged.csv`: COLUMNS, and each pair's line. Pairs without an answer are left out.

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
    judged = pd.DataFrame([row for row in rows if row is not None], columns=[*COLUMNS, "line"])
    if judged.empty:
        raise InputError(f"--judged: no pair in {file} is judged; write true or false into its column same")
    return judged.astype({"structure": float, "same": bool})


def locate_judged(judged: pd.DataFrame, index: VectorIndex, distinct: DistinctImages, file: Location) -> pd.DataFrame:
    """Look up the images of judged pairs, the smaller first, each pair once.

    Pairs with an item that the index lacks are left out, and pairs whose two items have the same file by now.

    Args:
        judged: The result of `read_judged`.
        index: The items.
        distinct: Their distinct images.
        file: The file that was read, for messages.

    Raises:
        InputError: when a pair is judged in two ways.
    """
    positions = [index.positions(judged[name].tolist()) for name in ("first", "second")]
    first, second = (np.where(rows >= 0, distinct.image_of[rows], -1) for rows in positions)
    pairs = judged.assign(first=np.minimum(first, second), second=np.maximum(first, second))
    pairs = pairs[(pairs["first"] >= 0) & (pairs["first"] != pairs["second"])]
    by_pair = pairs.groupby(["first", "second"])
    contradictory = pairs[by_pair["same"].transform("nunique") > 1]
    if len(contradictory):
        lines = by_pair.get_group(tuple(contradictory[["first", "second"]].iloc[0]))["line"].tolist()
        raise InputError(f"--judged: {file}, lines {', '.join(map(str, lines))}: one pair is judged in two ways")
    return pairs.drop_duplicates(["first", "second"]).reset_index(drop=True)


def precision_at(judged: pd.DataFrame, structure: float) -> Precision:
    """The precision of a threshold: the share of judged pairs that reach it and are one picture.

    Args:
        judged: structure and same.
        structure: The threshold.
    """
    reaching = judged.loc[judged["structure"] >= structure, "same"].to_numpy(bool)
    return Precision.of(reaching, len(judged), PROBABILITY)


def threshold_for(judged: pd.DataFrame, precision: float) -> float:
    """The lowest structure of a judged pair at which the pairs from there on have the required precision.

    Args:
        judged: structure and same.
        precision: The required precision, 0 to 1.

    Raises:
        UsageError: when no threshold has it; the message names the best.
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
    """Add the judged pairs that are missing from the pairs to compare.

    Args:
        pairs: first, second, distance and mirrored.
        judged: The result of `locate_judged`.
        layouts: The layouts of the images.
    """
    names = ["first", "second"]
    merged = judged[names].merge(pairs[names], how="left", indicator=True)
    missing = merged.loc[merged["_merge"] == "left_only", names]
    one, other = (layouts.take(missing[name].to_numpy(np.int64)) for name in names)
    plain, flipped = distances(one, other), distances(mirrored(one), other)
    added = missing.assign(distance=np.minimum(plain, flipped), mirrored=flipped < plain)
    return pd.concat([pairs, added], ignore_index=True) if len(added) else pairs


def apply_verdicts(pairs: pd.DataFrame, judged: pd.DataFrame) -> pd.DataFrame:
    """Pairs with verdicts applied: the columns same, which a verdict overrides, and judged, the verdict."""
    names = ["first", "second"]
    verdicts = pairs[names].merge(judged[[*names, "same"]], how="left", on=names)["same"]
    verdicts = verdicts.astype("boolean").set_axis(pairs.index)
    return pairs.assign(same=verdicts.fillna(pairs["same"]).astype(bool), judged=verdicts)


def still_together(index: VectorIndex, distinct: DistinctImages, judged: pd.DataFrame, groups: pa.Table) -> int:
    """Count the pairs that were judged different but are in one group, as other pairs connect them.

    Args:
        index: The items.
        distinct: Their distinct images.
        judged: The result of `locate_judged`.
        groups: Groups, by DUPLICATE.
    """
    group_of = groups.select(["id", "group"]).to_pandas().set_index("id")["group"]
    ids = index.items["id"]
    different = judged[~judged["same"]]
    one, other = (
        group_of.reindex(ids.take(pa.array(distinct.positions[different[name]])).to_pylist()).to_numpy()
        for name in ("first", "second")
    )
    return int((one == other).sum())


def sample_of(
    index: VectorIndex, distinct: DistinctImages, pairs: pd.DataFrame, structure: float, colour: float, seed: int
) -> pd.DataFrame:
    """Sample pairs to judge, by their ids, in random order: at most 200 around the threshold and above.

    Args:
        index: The items.
        distinct: Their distinct images.
        pairs: first, second, structure, colour and judged.
        structure: The threshold; pairs are sampled from 0.6 on, or from the threshold where it is lower.
        colour: Largest difference between the colours of a pair.
        seed: Seed of the sample.

    Returns:
        The columns of both items, prefixed with `first.` and `second.`, structure and judged.
    """
    pool = pairs[(pairs["structure"] >= min(_SAMPLE_FROM, structure)) & (pairs["colour"] <= colour)]
    ids = index.items["id"]
    first, second = (ids.take(pa.array(distinct.positions[pool[name]])).to_pylist() for name in ("first", "second"))
    keys = hash_order([f"{a} {b}" for a, b in zip(first, second, strict=True)], seed)
    chosen = pool.iloc[np.argsort(keys, kind="stable")[:_SAMPLE_SIZE]].reset_index(drop=True)
    sides = [
        index.items.take(pa.array(distinct.positions[chosen[name]])).to_pandas().add_prefix(f"{name}.")
        for name in ("first", "second")
    ]
    sample: pd.DataFrame = pd.concat([*sides, chosen[["structure", "judged"]]], axis=1)
    return sample


def sample_csv(sample: pd.DataFrame) -> bytes:
    """The result of `sample_of` as CSV with COLUMNS; `same` is empty where nobody has judged the pair."""
    verdicts = [None if pd.isna(verdict) else str(bool(verdict)).lower() for verdict in sample["judged"]]
    columns = [sample["first.id"], sample["second.id"], sample["structure"], pa.array(verdicts, pa.string())]
    return csv_bytes(pa.table(columns, names=list(COLUMNS)))


def _read(row: Row | BadRow, header: list[str], file: Location) -> tuple[str, str, float, bool, int] | None:
    """A row's values; None where the pair has no answer."""
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
    """A share with three decimals, rounded down, so that the threshold does reach it."""
    return math.floor(1000 * share) / 1000
