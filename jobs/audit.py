"""Audit job: an index with labels in; the labels that are likely wrong out, as Parquet, as a page and as a queue."""

import hashlib
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score

from tagger.auditing import learning
from tagger.auditing.findings import ARTICLE, MASTER, Judged, findings, neighbour_distances
from tagger.auditing.written import page_of, queue_of, table_of
from tagger.dataset.splits import connected
from tagger.errors import InputError, TaggerError, UsageError
from tagger.evaluation.pictures import Pictures
from tagger.io.location import Location
from tagger.io.parquet import write_parquet
from tagger.jobs import index as index_job
from tagger.jobs import tag
from tagger.jobs.shell.console import Console
from tagger.manifest.groups import pictures_of, read_groups
from tagger.manifest.manifest import Manifest
from tagger.runs.directory import RunDirectory, Spent
from tagger.runs.staging import Staged
from tagger.schemas.configs.audit import AuditConfig
from tagger.schemas.configs.similarity import IndexConfig
from tagger.schemas.configs.tag import TagConfig
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.finding import FINDINGS_FILE
from tagger.schemas.tables.prediction import Decision, ReviewReason
from tagger.similarity.index import CARD, VectorIndex
from tagger.workflows.holding_out import holds_out
from tagger.workflows.open_catalog import open_catalog, place, versions

PAGE = "index.html"
_VECTORS, _INDEX = "_vectors", "_index"


@dataclass(frozen=True)
class _Catalogue:
    """The labelled items of an index."""

    items: pd.DataFrame
    numbers: np.ndarray
    """Their numbers in the index, int [N]."""
    left_out: int
    """Items of the index that have no label."""


@holds_out
def run(config: AuditConfig, console: Console) -> int:
    """Judge each label by models that have not seen the item, and write down what speaks against it."""
    manifest, store = open_catalog(config, console)
    out = _new_folder(config)
    groups = read_groups(place(config.duplicates, config)) if config.duplicates else None
    folder = _index(config, console, manifest)
    index = VectorIndex(folder)
    catalogue = _labelled(index, config)
    if catalogue.left_out:
        console.warn(f"{catalogue.left_out:,} items of the index have no label, and are left out")
    in_conflict = _in_conflict(catalogue.items, groups)
    witnesses = _Witnesses(index, catalogue, config, console)
    if out is None:
        return _try_out(config, console, catalogue, witnesses)
    judged = witnesses.judge(catalogue.items)
    console.step("Looking for outliers")
    distances = neighbour_distances(index, catalogue.numbers)
    found = findings(catalogue.items, judged, distances, in_conflict)
    table = table_of(catalogue.items, found, config.title)
    directory = RunDirectory(out)
    settings = config.model_dump(mode="json", exclude={"out"})
    digest = hashlib.sha256((folder / CARD).read_bytes()).hexdigest()[:16]
    asked = settings | {"model": index.card.model or "", "out": config.out}
    record = directory.begin(asked, {"index": digest}, index.card.model_id, versions(), kind="audit")
    write_parquet(out / FINDINGS_FILE, table)
    facts = _facts(catalogue, judged, found)
    (out / PAGE).write_text(page_of(table, Pictures(store, config.max_pixels), config.shown, facts))
    directory.write_part(0, queue_of(catalogue.items, found, judged, record), {}, Spent(0, None))
    directory.finish(record, Staged(len(found), len(found), 0, 0, {}, {}, 1))
    for made in (_VECTORS, _INDEX) if config.model else ():
        (out / made).delete()
    _say(console, out, catalogue, judged, found)
    return 0


def _index(config: AuditConfig, console: Console, manifest: Manifest) -> Location:
    """The index that was named, or one made by the bundle that was.

    Raises:
        UsageError: for a place that takes none, and a title that the manifest lacks.
        InputError: when the manifest has no labels, or none of the images can be looked at.
    """
    if config.index:
        return Location(config.index)
    if not config.out:
        raise UsageError("--out is missing: with --model, the index is made there")
    out = place(config.out, config)
    if config.title and config.title not in manifest.columns:
        raise UsageError(f"--title {config.title}: the manifest has no such column")
    missing = [str(level) for level in Level if level not in manifest.role_columns()]
    if missing:
        raise InputError(
            f"the manifest has no column {missing[0]}; --column {missing[0]}=NAME names the one that it is"
        )
    if out.is_s3:
        raise UsageError(f"--out: {out} lies in a bucket, and --model makes an index on a disk; make one and name it")
    shared = {name: getattr(config, name) for name in AuditConfig.model_fields if name in TagConfig.model_fields}
    tagged = {"out": (out / _VECTORS).uri, "embeddings": True, "max_failed": "100%", "max_rejected": "100%"}
    quiet = Console(as_json=True, silent=True)
    tag.run(TagConfig.model_validate(shared | tagged), quiet)
    record = RunDirectory(out / _VECTORS).record()
    if record is None:
        raise TaggerError(f"{out / _VECTORS} has no record any more; something else deletes what lies there")
    failed, rejected = record.counts.decisions.get(Decision.FAILED, 0), record.counts.rejects
    if failed == record.counts.predictions:
        raise InputError(f"--images: none of the images of {failed:,} items could be looked at")
    if failed or rejected:
        console.warn(f"{failed:,} images could not be looked at, and {rejected:,} rows of the manifest were rejected")
    (out / _INDEX).delete()  # what a stopped audit may have left
    shared = {name: getattr(config, name) for name in AuditConfig.model_fields if name in IndexConfig.model_fields}
    kept = {"runs": [tagged["out"]], "out": (out / _INDEX).uri, "labels": config.manifest}
    kept |= {"keep": [config.title] if config.title else []}
    index_job.run(IndexConfig.model_validate(shared | kept), quiet)
    return out / _INDEX


def _new_folder(config: AuditConfig) -> Location | None:
    """Where to write; None where labels are only made wrong. Raises UsageError when something is there."""
    if config.out is None or config.flip:
        return None
    out = place(config.out, config)
    if out.files():
        raise UsageError(f"--out: {out} is not empty; name a new folder")
    out.check_writable("--out")
    return out


def _labelled(index: VectorIndex, config: AuditConfig) -> _Catalogue:
    """The labelled items. Raises InputError when there are none, and UsageError for a title that is not kept."""
    if config.title and config.title not in index.items.schema.names:
        raise UsageError(
            f"--title {config.title}: the index has no such column; tagger index --keep {config.title} keeps it"
        )
    items = index.items.to_pandas()
    chosen = np.flatnonzero(index.is_there & items["labelled"].to_numpy(bool))
    if not len(chosen):
        way = "the manifest has none" if config.model else "tagger index --labels MANIFEST makes one that has"
        raise InputError(f"there is no label among the {len(items):,} items; {way}")
    found = items.iloc[chosen].reset_index(drop=True)
    return _Catalogue(found, chosen, int(index.is_there.sum()) - len(chosen))


def _in_conflict(items: pd.DataFrame, groups: pd.DataFrame | None) -> np.ndarray:
    """Items whose picture another one has with another label, bool [N]."""
    labels = items[MASTER] + " / " + items[ARTICLE]
    return (labels.groupby(pictures_of(items["imageDigest"], groups)).transform("nunique") > 1).to_numpy()


class _Witnesses:
    """What image and title are like; judges labels by them."""

    def __init__(self, index: VectorIndex, catalogue: _Catalogue, config: AuditConfig, console: Console) -> None:
        self._config = config
        self._console = console
        console.step("Reading the image vectors")
        self._image = learning.image_features(index, catalogue.numbers, config.seed)
        titles = catalogue.items[config.title].fillna("").tolist() if config.title else None
        self._groups = connected([catalogue.items["imageDigest"].tolist(), *([titles] if titles else [])])
        self._title = learning.title_features(titles) if titles else None

    def judge(self, items: pd.DataFrame) -> Judged:
        """Judge the labels of the items whose leaf has enough of them. Raises InputError when there are none."""
        config = self._config
        sizes = items.groupby([MASTER, ARTICLE])[ARTICLE].transform("size")
        rows = np.flatnonzero(sizes >= config.min_items)
        groups = items.iloc[rows].groupby([MASTER, ARTICLE])
        own, leaves = groups.ngroup().to_numpy(copy=True), groups.size().index.to_frame(index=False)
        if len(leaves) < 2:
            raise InputError(f"fewer than two leaves have {config.min_items} labelled items (--min-items)")
        self._console.step(f"Judging {len(rows):,} labels of {len(leaves)} leaves by their images")
        fold = learning.folds_of(own, self._groups[rows], config.folds, config.seed)
        image = learning.by_image(self._image[rows], own, len(leaves), fold, config.seed)
        title, both = None, image
        if self._title is not None:
            self._console.step("Judging them by their titles")
            title = learning.by_title(self._title[rows], own, len(leaves), fold, config.seed)
            both = learning.together(image, title, own)
        return Judged(rows, leaves, own, image, title, both)


def _facts(catalogue: _Catalogue, judged: Judged, found: pd.DataFrame) -> list[tuple[str, str]]:
    """What is said of the whole audit, name and value."""
    labels = len(catalogue.items)
    witnesses = {"image": judged.image, "title": judged.title}
    agreeing = {name: (p.argmax(axis=1) == judged.own).mean() for name, p in witnesses.items() if p is not None}
    agreeing |= {"image and title": (judged.both.argmax(axis=1) == judged.own).mean()} if len(agreeing) > 1 else {}
    reasons = Counter(reason for some in found["reasons"] for reason in some)
    return [
        ("labelled items", f"{labels:,}"),
        ("of leaves too small to judge", f"{labels - len(judged.rows):,}"),
        *((f"labels that the {name} names", f"{100 * share:.2f} %") for name, share in agreeing.items()),
        *((str(r).replace("_", " "), f"{reasons[str(r)]:,}") for r in ReviewReason if reasons[str(r)]),
    ]


def _say(console: Console, out: Location, catalogue: _Catalogue, judged: Judged, found: pd.DataFrame) -> None:
    console.table(f"{len(found):,} findings", ["what", "items"], _facts(catalogue, judged, found))
    console.say(f"Page: {out / PAGE}")
    console.say(f"Review them: tagger review --run {out}")
    reasons = Counter(reason for some in found["reasons"] for reason in some)
    console.result(
        {"out": str(out), "labelled": len(catalogue.items), "judged": len(judged.rows), "findings": len(found),
         "reasons": dict(reasons)}
    )  # fmt: skip


def _try_out(config: AuditConfig, console: Console, catalogue: _Catalogue, witnesses: _Witnesses) -> int:
    """Make labels wrong at random, and say how well the audit finds those; what was wrong before counts as right."""
    items, is_flipped = _flipped(catalogue.items, config)
    judged = witnesses.judge(items)
    rather = learning.contradicted(judged.both, judged.own)
    flipped = is_flipped[judged.rows]
    true = catalogue.items.iloc[judged.rows]
    masters = judged.leaves[MASTER].to_numpy()
    of_own = (masters[:, None] == masters[None])[:, judged.own].T
    master_wrong = 1 - (judged.both * of_own).sum(axis=1)
    other_master = masters[judged.own] != true[MASTER].to_numpy()
    figures = {
        MASTER: (other_master, master_wrong, masters[rather] != masters[judged.own]),
        ARTICLE: (flipped, 1 - judged.label_probability, rather != judged.own),
    }
    rows = [
        (
            level,
            int(truth.sum()),
            f"{average_precision_score(truth, score):.3f}",
            int(found.sum()),
            f"{100 * truth[found].mean():.1f}",
            f"{100 * found[truth].mean():.1f}",
        )
        for level, (truth, score, found) in figures.items()
    ]
    columns = ["level", "made wrong", "average precision", "found", "precision %", "recall %"]
    console.table(f"{100 * config.flip:g} % of {len(items):,} labels made wrong at random", columns, rows)
    console.result({"flip": config.flip, "levels": [dict(zip(columns, row, strict=True)) for row in rows]})
    return 0


def _flipped(items: pd.DataFrame, config: AuditConfig) -> tuple[pd.DataFrame, np.ndarray]:
    """The items with some labels wrong, half of them in another master category, and which, bool [N]."""
    rng = np.random.default_rng(config.seed)
    sizes = items.groupby([MASTER, ARTICLE]).size()
    leaves = sizes[sizes >= config.min_items].index.to_frame(index=False)
    masters, articles = (items[name].to_numpy(object, copy=True) for name in (MASTER, ARTICLE))
    chosen = np.flatnonzero(rng.random(len(items)) < config.flip)
    done = np.zeros(len(items), bool)
    for row, across in zip(chosen, rng.random(len(chosen)) < 0.5, strict=True):
        other = leaves[((leaves[MASTER] != masters[row]) == across) & (leaves[ARTICLE] != articles[row])]
        if len(other):
            masters[row], articles[row] = other.iloc[int(rng.integers(len(other)))]
            done[row] = True
    return items.assign(**{MASTER: masters, ARTICLE: articles}), done


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="audit")
