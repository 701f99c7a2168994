"""Measures how well indexes of one catalogue retrieve items of the same class."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tagger.dataset.splits_file import read_splits
from tagger.errors import InputError, UsageError
from tagger.evaluation.pictures import Pictures
from tagger.images.stores import ImageStore
from tagger.io.location import Location
from tagger.reporter import LOG, Reporter
from tagger.schemas.configs.similarity import RetrievalConfig
from tagger.schemas.documents.taxonomy import Level
from tagger.similarity.index import VectorIndex
from tagger.similarity.retrieval import Retrieved, by_chance, colour_histograms, retrieve
from tagger.similarity.retrieval_page import Example, page_of
from tagger.similarity.side_by_side import CommonItems, mean_figures, mean_of_classes
from tagger.workflows.open_catalog import open_catalog, resolve_location, resolve_model

TABLE, CLASSES, PAGE = "retrieval.csv", "classes.csv", "index.html"
_COLOURS, _CHANCE = "colour histograms", "chance"


@dataclass(frozen=True)
class RetrievalResult:
    """Retrieval metrics of each kind of vectors."""

    summary: pd.DataFrame
    """Mean metrics, 0 to 1, higher is better: vectors, by, precision@k, recall@k, average_precision, queries."""
    classes: pd.DataFrame
    """The same for each class."""
    queries: int
    gallery: int
    page: Location


def measure_retrieval(config: RetrievalConfig, reporter: Reporter = LOG) -> RetrievalResult:
    """Search the train items of a bundle with its test items, and count how often results have the same class.

    Colour histograms and chance are the baselines.

    Args:
        config: The indexes, the bundle with the split, and the folder of metrics and page.
        reporter: Receives steps, warnings and progress.

    Raises:
        UsageError: when two indexes have one name, or the bundle has no split.
        InputError: when the indexes have no labelled test or train item in common.
    """
    indexes = {Location(name).name: VectorIndex(Location(name)) for name in config.index}
    if len(indexes) < len(config.index):
        raise UsageError("INDEX: two have one name, by which the report would tell them apart")
    out = resolve_location(config.out, config)
    out.check_writable("--out")
    _, store = open_catalog(config, reporter)
    items = CommonItems.of(indexes)
    queries, gallery = _sides(config, items)
    relevance = items.relevance(config.by, queries, gallery)
    reporter.step(f"Looking for {len(queries):,} test items among {len(gallery):,} train items")
    retrieved: dict[str, Retrieved] = {}
    for name, index in indexes.items():
        reporter.step(f"Measuring the index {name}")
        positions = items.positions[name]
        retrieved[name] = retrieve(index.vectors(positions[queries]), index.vectors(positions[gallery]), relevance)
    reporter.step(f"Measuring {_COLOURS}, to compare with")
    refs = items.frame["imageUri"].to_numpy(object)
    histograms = [colour_histograms(refs[rows].tolist(), store, config.max_pixels) for rows in (queries, gallery)]
    retrieved[_COLOURS] = retrieve(histograms[0], histograms[1], relevance)
    each = [r.figures.assign(vectors=name) for name, r in retrieved.items()]
    figures = pd.concat([*each, by_chance(relevance).assign(vectors=_CHANCE)])
    summary, classes = mean_figures(figures), mean_of_classes(figures, items.frame.iloc[queries])
    result = RetrievalResult(summary, classes, len(queries), len(gallery), out / PAGE)
    _write(out, result, indexes, items.examples(queries, gallery, retrieved, config.shown, config.seed), store, config)
    return result


def _sides(config: RetrievalConfig, items: CommonItems) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the test items (queries) and train items (gallery), int [Q] and [G]. Raises InputError for none."""
    side = items.frame["id"].map(read_splits(resolve_model(config.model, config), "--model"))
    queries, gallery = (np.flatnonzero(side == name) for name in ("test", "train"))
    if not len(queries) or not len(gallery):
        raise InputError(f"--model: the indexes have no labelled item of {config.model}'s test or train side")
    rng = np.random.default_rng(config.seed)
    return np.sort(rng.permutation(queries)[: config.queries]), gallery


def _write(
    out: Location,
    result: RetrievalResult,
    indexes: Mapping[str, VectorIndex],
    examples: Sequence[Example],
    store: ImageStore,
    config: RetrievalConfig,
) -> None:
    (out / TABLE).write_text(result.summary.to_csv(index=False, float_format="%.4f"))
    (out / CLASSES).write_text(result.classes.to_csv(index=False, float_format="%.4f"))
    facts = {
        "queries": f"{result.queries:,} test items",
        "gallery": f"{result.gallery:,} train items",
        **{name: f"model {index.card.model_id}, {index.card.dimension} numbers" for name, index in indexes.items()},
    }
    is_article = result.classes["by"] == str(Level.ARTICLE_TYPE)
    hardest = result.classes[is_article & (result.classes["vectors"] == next(iter(indexes)))]
    pictures = Pictures(store, config.max_pixels)
    result.page.write_text(page_of(result.summary, hardest, examples, facts, pictures))
