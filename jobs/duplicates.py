"""Duplicates job: an index and its images in; groups of items that show one picture out, as Parquet and as a page."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from jobs.console import Console
from jobs.inputs import open_catalog, place
from schemas.config import DuplicatesConfig
from schemas.duplicate import DUPLICATE_PAIR, Sameness
from schemas.taxonomy import Level
from tagger.catalog.groups import GROUPS
from tagger.catalog.shards import write_parquet
from tagger.errors import UsageError
from tagger.evaluation.pictures import Pictures as Shown
from tagger.evaluation.report import ITEMS
from tagger.imaging.alignment import Likeness
from tagger.similarity.duplicate_page import page_of
from tagger.similarity.duplicates import Pictures, candidates, compare, distinct, grouped, of_each_pair
from tagger.similarity.index import VectorIndex
from tagger.storage import Location

PAIRS, PAGE = "pairs.parquet", "index.html"


def run(config: DuplicatesConfig, console: Console) -> int:
    """Find pairs of images that are alike, compare them closely, and group the items that have them."""
    index = VectorIndex(Location(config.index))
    _, store = open_catalog(config)
    out = place(config.out, config)
    if out.files():
        raise UsageError(f"--out: {out} is not empty; name a new folder")
    out.check_writable("--out")
    held_out = _held_out(config)
    pictures = distinct(index)
    pieces, compared = [], 0
    with console.progress("images", 2 * len(pictures.items)) as bar:
        for piece in candidates(index, pictures):
            pieces.append(piece)
            compared += 4096
            bar.update(min(compared, 2 * len(pictures.items)))
    pairs = of_each_pair(pieces)
    refs = index.items["imageUri"].take(pa.array(pictures.items)).to_pylist()
    found: list[Likeness | None] = []
    with console.progress("pairs", len(pairs)) as bar:
        for likenesses in compare(pairs, refs, store, config.max_pixels):
            found += likenesses
            bar.update(len(found))
    pairs["structure"] = np.array([np.nan if f is None else f.structure for f in found], float)
    pairs["colour"] = np.array([np.nan if f is None else f.colour for f in found], float)
    pairs["same"] = (pairs["structure"] >= config.structure) & (pairs["colour"] <= config.colour)
    groups = grouped(index, pictures, pairs[pairs["same"]])
    write_parquet(out / PAIRS, _written(index, pictures, pairs))
    write_parquet(out / GROUPS, groups)
    page = page_of(groups, Shown(store, config.max_pixels), config.shown)
    (out / PAGE).write_text(page)
    _say(console, out, groups, pairs)
    if held_out is not None:
        _say_of_split(console, groups.to_pandas(), *held_out)
    console.say(f"Page: {out / PAGE}")
    return 0


def _held_out(config: DuplicatesConfig) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """A bundle's split, and what it said of its test items. Raises UsageError when it has none."""
    if config.bundle is None:
        return None
    files = [place(config.bundle, config) / "splits.parquet", place(config.bundle, config) / "report" / ITEMS]
    absent = [file for file in files if not file.exists()]
    if absent:
        raise UsageError(f"--bundle: there is no {absent[0]}")
    split, tested = (_read(file) for file in files)
    return split, tested


def _read(file: Location) -> pd.DataFrame:
    with file.open_random() as source:
        found: pd.DataFrame = pq.read_table(source).to_pandas()
    return found


def _say_of_split(console: Console, groups: pd.DataFrame, split: pd.DataFrame, tested: pd.DataFrame) -> None:
    """How many test items have a copy among the train items, and how much better they are predicted."""
    sides = groups["id"].map(split.set_index("id")["split"])
    trained = set(groups.loc[sides == "train", "group"])
    copies = tested["id"].isin(groups.loc[groups["group"].isin(trained), "id"])
    right = tested[f"{Level.ARTICLE_TYPE}True"] == tested[str(Level.ARTICLE_TYPE)]
    rows = [("with a copy among the train items", copies), ("without one", ~copies), ("all", copies | ~copies)]
    console.table(
        "Test items of the bundle",
        ["what", "items", "article type right %"],
        [(what, int(some.sum()), f"{100 * right[some].mean():.2f}" if some.any() else "") for what, some in rows],
    )


def _written(index: VectorIndex, pictures: Pictures, pairs: pd.DataFrame) -> pa.Table:
    """The pairs that were compared, by DUPLICATE_PAIR, the most alike first."""
    pairs = pairs.sort_values(["same", "structure"], ascending=False, kind="stable")
    ids = index.items["id"]
    columns: dict[str, object] = {name: ids.take(pa.array(pictures.items[pairs[name]])) for name in ("first", "second")}
    columns |= {
        name: pa.array(pairs[name].to_numpy(), DUPLICATE_PAIR.field(name).type, from_pandas=True)
        for name in ("distance", "mirrored", "structure", "colour", "same")
    }
    return pa.table(columns, schema=DUPLICATE_PAIR)


def _say(console: Console, out: Location, groups: pa.Table, pairs: pd.DataFrame) -> None:
    frame = groups.to_pandas()
    count = frame["group"].nunique()
    kinds = frame["sameness"].value_counts()
    in_conflict = frame.loc[frame["conflict"], "group"].nunique()
    unread = int(pairs["structure"].isna().sum())
    console.table(
        f"{count:,} groups of items that show one picture",
        ["what", "items"],
        [
            ("in groups", len(frame)),
            *((f"  {kind}", int(kinds.get(kind, 0))) for kind in map(str, Sameness)),
            ("groups whose labels differ", in_conflict),
        ],
    )
    console.say(f"{len(pairs):,} pairs of images were compared closely; {int(pairs['same'].sum()):,} are one picture.")
    if unread:
        console.warn(f"{unread:,} pairs could not be compared, because an image could not be read")
    console.result(
        {
            "out": str(out), "groups": count, "items": len(frame), "conflicts": in_conflict, "pairs": len(pairs),
            "same": int(pairs["same"].sum()), "unread": unread,
        }
    )  # fmt: skip


if __name__ == "__main__":
    from jobs.cli import main

    main(job="duplicates")
