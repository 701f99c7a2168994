"""Retrieval job: indexes of one catalogue in; how well each finds items of the same class, and a report, out."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from tagger.errors import InputError, UsageError
from tagger.evaluation.pictures import Pictures
from tagger.io.location import Location
from tagger.jobs.shell.console import Console
from tagger.schemas.configs.similarity import RetrievalConfig
from tagger.schemas.documents.taxonomy import Level
from tagger.similarity.index import VectorIndex
from tagger.similarity.retrieval import SHOWN, Retrieved, by_chance, colour_histograms, retrieve
from tagger.similarity.retrieval_page import Example, page_of
from tagger.workflows.open_catalog import open_catalog, place

TABLE, CLASSES, PAGE = "retrieval.csv", "classes.csv", "index.html"
_SPLITS = "splits.parquet"
_COLOURS, _CHANCE = "colour histograms", "chance"


def run(config: RetrievalConfig, console: Console) -> int:
    """Look for each test item among the train items, and count how often what is found is of its class."""
    indexes = {Location(name).name: VectorIndex(Location(name)) for name in config.indexes}
    if len(indexes) < len(config.indexes):
        raise UsageError("INDEX: two have one name, by which the report would tell them apart")
    out = place(config.out, config)
    out.check_writable("--out")
    _, store = open_catalog(config, console)
    items, numbers = _common(indexes)
    sides = _sides(config)
    side = items["id"].map(sides)
    queries, gallery = (np.flatnonzero(side == name) for name in ("test", "train"))
    if not len(queries) or not len(gallery):
        raise InputError(f"--bundle: the indexes have no labelled item of {config.bundle}'s test or train side")
    rng = np.random.default_rng(config.seed)
    queries = np.sort(rng.permutation(queries)[: config.queries])
    relevance = _relevance(config, items, queries, gallery)
    console.step(f"Looking for {len(queries):,} test items among {len(gallery):,} train items")
    found: dict[str, Retrieved] = {}
    for name, index in indexes.items():
        own = numbers[name]
        found[name] = retrieve(index.vectors(own[queries]), index.vectors(own[gallery]), relevance)
        console.step(f"{name} is measured")
    refs = items["imageUri"].to_numpy(object)
    asked, others = (colour_histograms(refs[rows].tolist(), store, config.max_pixels) for rows in (queries, gallery))
    found[_COLOURS] = retrieve(asked, others, relevance)
    figures = pd.concat(
        [*(r.figures.assign(vectors=name) for name, r in found.items()), by_chance(relevance).assign(vectors=_CHANCE)]
    )
    summary = _mean(figures, ["vectors", "by"])
    classes = _mean(_with_classes(figures, items.iloc[queries]), ["vectors", "by", "class"])
    (out / TABLE).write_text(summary.to_csv(index=False, float_format="%.4f"))
    (out / CLASSES).write_text(classes.to_csv(index=False, float_format="%.4f"))
    examples = _examples(config, items, queries, gallery, found)
    facts = {
        "queries": f"{len(queries):,} test items",
        "gallery": f"{len(gallery):,} train items",
        **{name: f"model {index.card.model_id}, {index.card.dimension} numbers" for name, index in indexes.items()},
    }
    hardest = classes[(classes["by"] == str(Level.ARTICLE_TYPE)) & (classes["vectors"] == next(iter(indexes)))]
    (out / PAGE).write_text(page_of(summary, hardest, examples, facts, Pictures(store, config.max_pixels)))
    _say(console, out, summary)
    return 0


def _common(indexes: Mapping[str, VectorIndex]) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """The labelled items that all indexes have, as the first has them, and their numbers in each."""
    first = next(iter(indexes.values()))
    items = first.items.to_pandas()[first.is_there]
    items = items[items["labelled"]].reset_index(drop=True)
    numbers = {name: index.numbers(items["id"].tolist()) for name, index in indexes.items()}
    there = np.all([n >= 0 for n in numbers.values()], axis=0)
    if not there.any():
        raise InputError("INDEX: they have no labelled item in common; tagger index --labels MANIFEST labels them")
    return items[there].reset_index(drop=True), {name: n[there] for name, n in numbers.items()}


def _sides(config: RetrievalConfig) -> dict[str, str]:
    file = place(config.bundle, config) / _SPLITS
    if not file.exists():
        raise UsageError(f"--bundle: there is no {file}, which says what was trained on")
    with file.open_random() as source:
        table = pq.read_table(source, columns=["id", "split"])
    return dict(zip(table["id"].to_pylist(), table["split"].to_pylist(), strict=True))


def _relevance(
    config: RetrievalConfig, items: pd.DataFrame, queries: np.ndarray, gallery: np.ndarray
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The classes of queries and gallery by each column. Raises UsageError for one that no index keeps."""
    found = {}
    for name in [*map(str, Level), *config.by]:
        if name not in items.columns:
            raise UsageError(f"--by {name}: the index has no such column; tagger index --keep {name} keeps it")
        codes = items[name].replace("", None).factorize()[0].astype(np.int32)  # -1 for none
        found[name] = (codes[queries], codes[gallery])
    return found


def _with_classes(figures: pd.DataFrame, queries: pd.DataFrame) -> pd.DataFrame:
    pieces = [
        rows.assign(**{"class": queries[str(by)].to_numpy(object)[rows["query"]]}) for by, rows in figures.groupby("by")
    ]
    return pd.concat(pieces)


def _mean(figures: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Mean figures of groups, with the number of queries; in the order in which they come."""
    groups = figures.drop(columns="query").groupby([*by], sort=False)
    measured = [c for c in figures.columns if "@" in c or c == "average_precision"]
    return groups[measured].mean().assign(queries=groups.size()).reset_index()


def _examples(
    config: RetrievalConfig,
    items: pd.DataFrame,
    queries: np.ndarray,
    gallery: np.ndarray,
    found: Mapping[str, Retrieved],
) -> list[Example]:
    """Some queries, one of a class, with what each kind of vectors found."""
    rng = np.random.default_rng(config.seed)
    order = rng.permutation(len(queries))
    article = items[str(Level.ARTICLE_TYPE)].to_numpy(object)
    _, first = np.unique(article[queries[order]], return_index=True)
    chosen = order[np.sort(first)][: config.shown]
    rows = items.to_dict("records")
    return [
        Example(
            rows[queries[n]],
            {name: [rows[i] for i in gallery[r.nearest[n][:SHOWN]]] for name, r in found.items()},
        )
        for n in chosen.tolist()
    ]


def _say(console: Console, out: Location, summary: pd.DataFrame) -> None:
    columns = ["vectors", "by", "precision@1", "precision@5", "precision@20", "average_precision"]
    titles = ["vectors", "same", "P@1", "P@5", "P@20", "mAP"]
    rows = [[f"{v:.3f}" if isinstance(v, float) else v for v in row] for row in summary[columns].to_numpy().tolist()]
    console.table("How often what is found is of the same class", titles, rows)
    console.say(f"Page: {out / PAGE}")
    console.result({"page": str(out / PAGE), "figures": summary.to_dict("records")})


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="retrieval")
