"""Duplicates job: an index and its images in; groups of items that show one picture out, as Parquet and as a page."""

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tagger.deduplication.groups import IndexLayouts, Pictures, distinct, grouped
from tagger.deduplication.judged import (
    NONE_JUDGED,
    PROBABILITY,
    as_judged,
    places_of,
    precision_at,
    read_judged,
    sample_csv,
    sample_of,
    still_together,
    threshold_for,
    with_judged,
)
from tagger.deduplication.page import page_of
from tagger.errors import UsageError
from tagger.evaluation.pictures import Pictures as Shown
from tagger.evaluation.report import ITEMS
from tagger.io.location import Location
from tagger.io.parquet import write_parquet
from tagger.jobs.shell.console import Console
from tagger.jobs.steps.planted import try_out
from tagger.manifest.groups import GROUPS
from tagger.schemas.configs.similarity import DuplicatesConfig
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.duplicate import DUPLICATE_PAIR, Sameness
from tagger.similarity.index import VectorIndex
from tagger.workflows.alike import alike, compared, refs_of
from tagger.workflows.open_catalog import open_catalog, place

PAIRS, PAGE, SAMPLE = "pairs.parquet", "index.html", "sample.csv"


def run(config: DuplicatesConfig, console: Console) -> int:
    """Find pairs of images that are alike, compare them closely, and group the items that have them."""
    index = VectorIndex(Location(config.index))
    _, store = open_catalog(config, console)
    pictures = distinct(index)
    if config.plant:
        return try_out(config, console, index, pictures, store)
    out = _new_folder(config)
    held_out = _held_out(config)
    judged = _judged(config, console, index, pictures)
    structure = config.structure if config.precision is None else threshold_for(judged, config.precision)
    layouts = IndexLayouts(index, pictures.items)
    pairs = with_judged(alike(console, layouts), judged, layouts)
    pairs = compared(config, console, pairs, refs_of(index, pictures), store, structure)
    pairs = as_judged(pairs, judged)
    groups = grouped(index, pictures, pairs[pairs["same"]])
    sample = sample_of(index, pictures, pairs, structure, config.colour, config.seed)
    write_parquet(out / PAIRS, _written(index, pictures, pairs))
    write_parquet(out / GROUPS, groups)
    (out / SAMPLE).write_bytes(sample_csv(sample))
    (out / PAGE).write_text(page_of(groups, Shown(store, config.max_pixels), config.shown, sample))
    said = _say(console, out, groups, pairs)
    if config.judged:
        said |= _say_of_judged(console, judged, structure)
        together = still_together(index, pictures, judged, groups)
        if together:
            console.warn(f"{together:,} pairs that were judged different are in one group all the same, through others")
    if held_out is not None:
        _say_of_split(console, groups.to_pandas(), *held_out)
    console.say(f"Page: {out / PAGE}")
    console.result(said)
    return 0


def _new_folder(config: DuplicatesConfig) -> Location:
    """Where to write. Raises UsageError when something is there."""
    out = place(config.out or "", config)
    if out.files():
        raise UsageError(f"--out: {out} is not empty; name a new folder")
    out.check_writable("--out")
    return out


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


def _judged(config: DuplicatesConfig, console: Console, index: VectorIndex, pictures: Pictures) -> pd.DataFrame:
    """The judged pairs by their images; none without a file. Raises UsageError and InputError."""
    if config.judged is None:
        return NONE_JUDGED
    file = place(config.judged, config)
    read = read_judged(file)
    found = places_of(read, index, pictures, file)
    left_out = len(read) - len(found)
    if left_out:
        console.warn(
            f"{left_out:,} of {len(read):,} judged pairs are left out: the index has not both items, or knows them "
            "to have one file, or the pair stands there twice"
        )
    return found


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
        for name in ("distance", "mirrored", "structure", "colour", "same", "judged")
    }
    return pa.table(columns, schema=DUPLICATE_PAIR)


def _say(console: Console, out: Location, groups: pa.Table, pairs: pd.DataFrame) -> dict[str, object]:
    """Say what was found; return it for machines."""
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
    return {
        "out": str(out), "groups": count, "items": len(frame), "conflicts": in_conflict, "pairs": len(pairs),
        "same": int(pairs["same"].sum()), "unread": unread,
    }  # fmt: skip


def _say_of_judged(console: Console, judged: pd.DataFrame, structure: float) -> dict[str, object]:
    """Say what judged pairs tell of the threshold; return it for machines."""
    found = precision_at(judged, structure)
    if found.lowest is None or found.highest is None or found.share is None:
        console.say(f"None of the {len(judged):,} judged pairs reaches a structure of {structure:.4g}.")
    else:
        console.say(
            f"Of {found.answered:,} judged pairs with a structure of {structure:.4g} or more, {found.right:,} are one "
            f"picture: precision {100 * found.share:.1f} %, with a probability of {100 * PROBABILITY:g} % between "
            f"{100 * found.lowest:.1f} % and {100 * found.highest:.1f} %."
        )
    return {
        "structure": structure,
        "judged": {
            "pairs": len(judged), "reaching": found.answered, "right": found.right, "precision": found.share,
            "lowest": found.lowest, "highest": found.highest,
        },
    }  # fmt: skip


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="duplicates")
