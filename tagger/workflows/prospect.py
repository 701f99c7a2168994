"""What a training with the same flags would learn, or why it would refuse; uses the code of training itself."""

import shlex
from dataclasses import dataclass

import pyarrow as pa

from tagger.dataset.census import Census
from tagger.dataset.items import LabelledItems
from tagger.dataset.not_learnt import not_learnt
from tagger.dataset.split_rule import DIGEST, DUPLICATES, SplitRule
from tagger.dataset.splits import SPLITS
from tagger.dataset.trainable import why_unlabelled
from tagger.errors import InputError
from tagger.manifest.groups import read_groups
from tagger.manifest.manifest import Manifest
from tagger.schemas.configs.check import CheckConfig
from tagger.schemas.configs.options import SplitOptions
from tagger.workflows.as_flags import catalogue_flags, flags_of
from tagger.workflows.open_catalog import resolve_location

_LADDER = (50, 40, 30, 20, 15, 10, 8, 5, 4, 3, 2)
"""Values of `min_items` to try, the largest first."""
_ENOUGH = 0.9
_TELLING = 0.2
"""Share of its texts that name the article type, from which a column is proposed as title."""


@dataclass(frozen=True)
class Prospect:
    """What would be learnt; otherwise `problem` has the message of tagger train."""

    problem: str | None
    min_items: int
    leaves: int = 0
    items: int = 0
    sides: dict[str, int] | None = None
    article_types: int = 0
    not_learnt: str | None = None
    """A warning about items of leaves that are left out, if they are many."""
    lacks_images: bool = False
    """Whether the problem is a side of which not one image can be used."""


@dataclass(frozen=True)
class Advice:
    """A proposed training, and what it would learn of a catalogue."""

    command: str
    """The whole command, quoted for a shell."""
    learns: Prospect
    by_default: Prospect
    """What is learnt with the configured `min_items`."""
    leaves: int
    """Number of leaves in the catalogue, of any size."""
    article_types: int
    labelled: int
    """Number of items with both labels."""

    def in_words(self) -> str:
        """A sentence on what would be learnt, compared with the default."""
        share = f"{100 * self.learns.items / self.labelled:.0f}% of items"
        types = f"{self.learns.article_types:,} of {self.article_types:,} article types"
        sentence = f"--min-items {self.learns.min_items} learns {types}, {share}"
        if self.learns.min_items == self.by_default.min_items:
            return sentence
        default = self.by_default
        default_share = f"{100 * default.items / self.labelled:.0f}%"
        instead = "nothing" if default.problem else f"{default.article_types:,}, {default_share}"
        return f"{sentence}; --min-items {default.min_items} would learn {instead}"


def prospect(config: CheckConfig, census: Census, manifest: Manifest, min_items: int | None = None) -> Prospect:
    """What tagger train would learn with the same flags and a `min_items`.

    If only a sample of the images was checked, copies are unknown and count as separate items.
    """
    least = config.min_items if min_items is None else min_items
    rows = _rows(census)
    if not len(rows):
        return Prospect(why_unlabelled(manifest.why_unlabelled(), census.rows, census.items), least)
    rule = SplitRule.of(config, config.seed, manifest.columns, config.no_value)
    if DIGEST not in rows.schema.names:
        rule = rule.without_images()
    if config.duplicates:
        groups = read_groups(resolve_location(config.duplicates, config))
        group_of = dict(zip(groups["id"], groups["group"].astype(str), strict=True))
        named = pa.array([group_of.get(item) for item in rows["id"].to_pylist()], pa.string())
        rows = rows.append_column(DUPLICATES, named)
    try:
        if rule != rule.without_images():  # training checks twice, before and after it decodes the images
            LabelledItems.select(rows, config.merge, least, rule.without_images())
        learnt = LabelledItems.select(rows, config.merge, least, rule)
    except InputError as error:
        return Prospect(str(error), least)
    usable = learnt.frame[~learnt.frame["id"].isin(census.failed_ids)]
    counts = usable["split"].value_counts()
    sides = learnt.split_items()
    empty = [name for name in SPLITS[:3] if not counts.get(name, 0)] if not config.sample else []
    problem = f"--images: not one image of the {', '.join(empty)} items can be used" if empty else None
    warning = not_learnt(learnt.left_out, learnt.taxonomy, len(learnt.frame))
    leaves = learnt.taxonomy.leaves
    types = len({leaf.articleType for leaf in leaves})
    return Prospect(problem, least, len(leaves), len(learnt.frame), sides, types, warning, bool(empty))


def advice(config: CheckConfig, census: Census, manifest: Manifest, now: Prospect) -> Advice | None:
    """The proposed training, with a lower --min-items if that learns much more than the default.

    A number that the user gave stays, unless training would refuse it. None where something else is to be mended.
    """
    labelled = sum(census.leaves.values())
    is_refused = now.problem is not None and _are_too_small(census, config.min_items)
    if not labelled or (now.problem and not is_refused):
        return None
    chosen = now
    is_default = "min_items" not in config.model_fields_set
    if is_refused or (is_default and now.items < _ENOUGH * labelled):
        lower = [n for n in _LADDER if n < config.min_items]
        enough = [n for n in lower if _items_of(census, n) >= _ENOUGH * labelled] or lower[-1:]
        for least in enough:
            tried = prospect(config, census, manifest, least)
            if tried.problem is None and (now.problem or tried.items > now.items):
                chosen = tried
                break
    if chosen.problem:
        return None
    types = {article for _, article in census.leaves}
    return Advice(_command(config, chosen, _title(census)), chosen, now, len(census.leaves), len(types), labelled)


def _are_too_small(census: Census, min_items: int) -> bool:
    """Whether there are two leaves to tell apart, but not with so many items."""
    return len(census.leaves) > 1 and sum(n >= min_items for n in census.leaves.values()) < 2


def _items_of(census: Census, min_items: int) -> int:
    return sum(n for n in census.leaves.values() if n >= min_items)


def _title(census: Census) -> str | None:
    """The text column that names the article type most often, if that is often enough to learn from it."""
    name, column = max(census.texts.counts.items(), key=lambda entry: entry[1].share, default=(None, None))
    return name if column and column.share >= _TELLING and "," not in (name or "") else None


def _command(config: CheckConfig, chosen: Prospect, title: str | None) -> str:
    learning = {name: getattr(config, name) for name in (*SplitOptions.model_fields, "merge", "seed")}
    changed = [(n, v) for n, v in learning.items() if v != CheckConfig.model_fields[n].default and v is not None]
    catalogue = catalogue_flags(config.model_dump())
    last = (*(("--title", title) if title else ()), "--out", "bundle", "--min-items", str(chosen.min_items))
    return shlex.join(["tagger", "train", *catalogue, *flags_of(changed), *last])


def _rows(census: Census) -> pa.Table:
    """The labelled items with the columns that training uses."""
    if not census.labelled:
        return pa.table({"id": pa.array([], pa.string())})
    rows = pa.concat_tables(census.labelled)
    none = pa.nulls(len(rows), pa.string())
    for name in ("row", "knownDigest", "imageRef", "furtherImageRefs"):
        rows = rows.append_column(name, none)
    return rows
