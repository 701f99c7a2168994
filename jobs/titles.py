"""Titles job: a bundle and the titles of its items in; a model of titles beside its weights, and its figures, out."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tagger.confidence.calibration import fit_temperature
from tagger.errors import InputError, UsageError
from tagger.evaluation.metrics import MINIMUM_SUPPORT, Predicted, level_metrics
from tagger.images.patterns import text_column
from tagger.io.location import Location
from tagger.jobs.shell.console import Console
from tagger.manifest.labels import KnownLabels
from tagger.models.bundle import Bundle
from tagger.models.levels import Levels
from tagger.models.titles import FILE, TitleModel, spread
from tagger.runs.directory import RunDirectory
from tagger.runs.identity import TITLES
from tagger.schemas.configs.confidence import TitlesConfig
from tagger.schemas.documents.taxonomy import Level, Taxonomy
from tagger.schemas.tables.prediction import ALTERNATIVES, Decision
from tagger.training.titles import fit_titles
from tagger.workflows.holding_out import holding_bundle
from tagger.workflows.open_catalog import open_manifest, place

_SPLITS = "splits.parquet"
_PREDICTED = ["id", "decision", "alternatives"]


def run(config: TitlesConfig, console: Console) -> int:
    """Fit a model of titles to the bundle's training items, calibrate it on val, and measure it on test."""
    folder = place(config.bundle, config)
    with holding_bundle(folder) as bundle:
        return _teach(config, console, bundle, folder)


def _teach(config: TitlesConfig, console: Console, bundle: Bundle, folder: Location) -> int:
    """Fit the model of titles, and write it into the bundle, which is held."""
    taxonomy = bundle.card.taxonomy
    console.step("Reading the titles")
    sides = _sides(config, folder, taxonomy, console)
    console.step(f"Fitting to {len(sides['train']):,} titles")
    train, val, test = (sides[side] for side in ("train", "val", "test"))
    leaves = train["leaf"].to_numpy()
    titles = fit_titles(config.title, bundle.card.model_id, train["title"].tolist(), leaves, len(taxonomy.leaves))
    titles = replace(titles, temperature=fit_temperature(titles.logits(val["title"].tolist()), val["leaf"].to_numpy()))
    image = _by_image(config, bundle) if config.run else None
    if image is not None:
        val, test = (side[side["id"].isin(image.row)] for side in (val, test))
        told = val[titles.says_something(val["title"].tolist())]
        if told.empty or test.empty:
            raise InputError(f"--run: {config.run} has not the bundle's val and test items; tag the whole manifest")
        both = titles.logits_of_both(image.of(told), told["title"].tolist())
        titles = replace(titles, temperature_of_both=fit_temperature(both, told["leaf"].to_numpy()))
    titles.save(folder)
    _say(config, console, Levels(taxonomy), titles, test, image)
    return 0


def _sides(config: TitlesConfig, folder: Location, taxonomy: Taxonomy, console: Console) -> dict[str, pd.DataFrame]:
    """The items of each side of the bundle's split: id, title and leaf number. Raises InputError and UsageError."""
    if not (folder / _SPLITS).exists():
        raise InputError(f"BUNDLE: {folder} has no {_SPLITS}, which says what it was trained on")
    with (folder / _SPLITS).open_random() as source:
        splits = pq.read_table(source).to_pandas()
    manifest = open_manifest(config.manifest, config, console)
    if config.title not in manifest.columns:
        raise UsageError(f"--title {config.title}: the manifest has no such column; it has {manifest.columns}")
    labels = [str(level) for level in Level]
    tables = []
    for batch in manifest.batches():
        absent = [name for name in labels if name not in batch.items.schema.names]
        if absent:
            raise InputError(f"--manifest: {batch.file}: {manifest.why_unlabelled() or f'no column {absent[0]!r}'}")
        title = pc.fill_null(text_column(batch, config.title, "--title"), "")
        tables.append(batch.items.select(["id", *labels]).append_column("title", title).to_pandas())
    if not tables:
        raise InputError(f"--manifest: {config.manifest} has no row")
    items = pd.concat(tables).dropna(subset=labels).merge(splits, on="id")
    numbers: dict[tuple[str | None, str | None], int] = {
        (leaf.masterCategory, leaf.articleType): n for n, leaf in enumerate(taxonomy.leaves)
    }
    pairs = KnownLabels(taxonomy, config.merge_spellings).pairs(items[labels[0]], items[labels[1]])
    items["leaf"] = [numbers.get(pair, -1) for pair in pairs]
    items = items[items["leaf"] >= 0]
    found = {side: items[items["split"] == side].reset_index(drop=True) for side in ("train", "val", "test")}
    empty = [side for side, rows in found.items() if rows.empty]
    if empty:
        raise InputError(f"--manifest: {config.manifest} has no item of the bundle's {empty[0]} side")
    return found


@dataclass(frozen=True)
class _ByImage:
    """What a run's images say of the leaves."""

    row: dict[str, int]
    probabilities: np.ndarray

    def of(self, items: pd.DataFrame) -> np.ndarray:
        """Probabilities of the leaves, float32 [N, L]."""
        return np.asarray(self.probabilities[[self.row[i] for i in items["id"]]])


def _by_image(config: TitlesConfig, bundle: Bundle) -> _ByImage:
    """What the run predicted; a run has the most probable leaves. Raises InputError for another bundle's run."""
    directory = RunDirectory(place(config.run or "", config))
    found = directory.read(_PREDICTED)
    record = directory.record()
    if record is None or record.model_id != bundle.card.model_id or record.kind != "tag":
        raise InputError(f"--run: {config.run} was not made by this bundle, {bundle.card.model_id}")
    if record.inputs.get(TITLES, "").startswith("fuse"):
        raise InputError(f"--run: {config.run} was tagged by titles, too (--titles fuse); name one of images alone")
    found = found.filter(pc.not_equal(found["decision"], str(Decision.FAILED)))
    leaves = bundle.card.taxonomy.leaves
    numbers = pa.array([f"{leaf.masterCategory}\0{leaf.articleType}" for leaf in leaves])
    nested = found["alternatives"].combine_chunks()
    flat, rows = nested.flatten(), pc.list_parent_indices(nested).to_numpy()
    named = pc.binary_join_element_wise(flat.field("masterCategory"), flat.field("articleType"), "\0")
    place_in_row = np.arange(len(rows)) - np.asarray(nested.offsets)[rows]
    best = np.full((len(found), ALTERNATIVES), -1, np.int64)
    best[rows, place_in_row] = pc.index_in(named, value_set=numbers).to_numpy(zero_copy_only=False)
    confidences = np.zeros((len(found), ALTERNATIVES), np.float32)
    confidences[rows, place_in_row] = flat.field("confidence").to_numpy(zero_copy_only=False)
    ids = found["id"].to_pylist()
    return _ByImage({name: n for n, name in enumerate(ids)}, spread(best, confidences, len(leaves)))


def _say(
    config: TitlesConfig,
    console: Console,
    levels: Levels,
    titles: TitleModel,
    test: pd.DataFrame,
    image: _ByImage | None,
) -> None:
    """Figures of the test items, by title, image, and both."""
    texts, truth = test["title"].tolist(), levels.of_leaves(test["leaf"].to_numpy())
    witnesses = {"title": titles.probabilities(texts)}
    if image is not None:
        witnesses |= {"image": image.of(test), "both": titles.probabilities_of_both(image.of(test), texts)}
    chosen = {name: levels.choose(p) for name, p in witnesses.items()}
    rows = [
        {
            "by": name,
            str(Level.MASTER_CATEGORY): round(100 * float((master == truth[0]).mean()), 2),
            str(Level.ARTICLE_TYPE): round(100 * float((article == truth[1]).mean()), 2),
            "macro F1": round(level_metrics(Predicted(truth[1], article, sure)).macro_f1, 4),
        }
        for name, (master, _, article, sure) in chosen.items()
    ]
    shown = [[f"{v:g}" if isinstance(v, float) else v for v in row.values()] for row in rows]
    console.table(f"{len(test):,} test items, % right", list(rows[0]), shown)
    console.say(f"Macro F1 is the mean over the article types with {MINIMUM_SUPPORT} or more of these items.")
    document: dict[str, object] = {"items": len(test), "words": len(titles.words), "by": rows}
    if image is not None:
        _, _, by_image, sure = chosen["image"]
        _, _, by_title, sure_title = chosen["title"]
        confident = sure >= config.surely
        objects = confident & (sure_title >= config.surely) & (by_title != by_image)
        wrong = confident & (by_image != truth[1])
        caught = int((objects & wrong).sum())
        mistakes = by_image != truth[1]
        on_its_side = int((mistakes & (by_title == by_image)).sum())
        console.say(
            f"Of {int(confident.sum()):,} test items that the image is at least {100 * config.surely:g} % sure of, "
            f"{int(wrong.sum()):,} are wrong; a title that is as sure objects to {int(objects.sum()):,}, of which "
            f"{caught:,} are wrong."
        )
        console.say(
            f"Of the image's {int(mistakes.sum()):,} mistakes, the title agrees with it in {on_its_side:,}: "
            "there the label may be what is wrong."
        )
        document |= {
            "confident": int(confident.sum()), "wrong": int(wrong.sum()), "objected": int(objects.sum()),
            "caught": caught, "mistakes": int(mistakes.sum()), "titleSidesWithImage": on_its_side,
        }  # fmt: skip
    console.say(f"The bundle knows {len(titles.words):,} words of titles now ({FILE}); tagger tag --titles asks them.")
    console.result(document)


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="titles")
