"""Guesses of article types that need no image: what a model's accuracy is to be compared with."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from tagger.confidence.calibration import fit_temperature
from tagger.dataset.label_words import without_label
from tagger.evaluation.metrics import Predicted
from tagger.models.levels import Levels
from tagger.models.titles import TitleModel, joined_texts
from tagger.reporter import LOG, Reporter
from tagger.runs.staging import passthrough
from tagger.schemas.documents.taxonomy import Level, Taxonomy
from tagger.training.titles import fit_titles


def most_frequent(train: np.ndarray, truth: np.ndarray) -> Predicted:
    """Predict the most frequent article type for every item; of several, the first by name.

    Args:
        train: Article types of the training items, object [M].
        truth: Article types of the test items, object [N].
    """
    return most_frequent_by_master(np.full(len(train), "", object), train, np.full(len(truth), "", object), truth)


def most_frequent_by_master(
    train_masters: np.ndarray, train: np.ndarray, masters: np.ndarray, truth: np.ndarray
) -> Predicted:
    """Predict the most frequent article type of each item's master category, which the guess takes from its label.

    Args:
        train_masters: Master categories of the training items, object [M].
        train: Their article types, object [M].
        masters: Master categories of the test items, object [N]; each has a training item.
        truth: Their article types, object [N].
    """
    counts = pd.DataFrame({"master": train_masters, "type": train}).value_counts().rename("items").reset_index()
    best = counts.sort_values(["items", "type"], ascending=[False, True]).drop_duplicates("master").set_index("master")
    shares = best["items"] / counts.groupby("master")["items"].sum()
    of_items = pd.Series(masters)
    return Predicted(truth, of_items.map(best["type"]).to_numpy(object), of_items.map(shares).to_numpy(float))


def by_title(
    names: Sequence[str], sides: Mapping[str, pd.DataFrame], taxonomy: Taxonomy, reporter: Reporter = LOG
) -> Iterator[tuple[bool, Predicted]]:
    """Predict article types by titles alone, as they are, and without the words of each item's type.

    Args:
        names: The columns of the titles.
        sides: Items of train, val and test by side, with leaf number and columns, as `labelled_sides` has them.
        taxonomy: The leaves.
        reporter: Told how many titles are left out.

    Yields:
        Whether the words of the type are left out, and predictions of the test items in their order.

    Raises:
        InputError: when nothing can be learnt from the titles.
    """
    types = [leaf.articleType for leaf in taxonomy.leaves]
    train, val, test = (sides[side] for side in ("train", "val", "test"))
    model = fit_titles(names, _texts(train, names), train["leaf"].to_numpy(), types, reporter=reporter)
    temperature = fit_temperature(model.logits(_texts(val, names)), val["leaf"].to_numpy())
    texts, leaves = _texts(test, names), test["leaf"].to_numpy()
    bare = [without_label(text, types[leaf]) for text, leaf in zip(texts, leaves.tolist(), strict=True)]
    for is_bare, read in ((False, texts), (True, bare)):
        yield is_bare, _predicted(model, temperature, read, leaves, Levels(taxonomy))


def _texts(items: pd.DataFrame, names: Sequence[str]) -> list[str]:
    return joined_texts({name: items[passthrough(name)].tolist() for name in names}, names, len(items))


def _predicted(
    model: TitleModel, temperature: float, texts: Sequence[str], leaves: np.ndarray, levels: Levels
) -> Predicted:
    probabilities, _ = replace(model, temperature=temperature).read(texts)
    _, _, article, confidence = levels.choose(probabilities)
    names = np.array(levels.types, object)
    return Predicted(names[levels.classes_of_leaves(leaves)[1]], names[article], confidence)


def labels_of(items: pd.DataFrame, taxonomy: Taxonomy, level: Level) -> np.ndarray:
    """The names of a level's classes for items with leaf numbers, object [N]."""
    names = np.array([getattr(leaf, str(level)) for leaf in taxonomy.leaves], object)
    return np.asarray(names[items["leaf"].to_numpy()], object)
