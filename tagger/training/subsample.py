"""Draws the items that a classifier learns from where there are too many, with all items of rare classes."""

import numpy as np
import pandas as pd


def subsample(items: np.ndarray, classes: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """Draw `most` of the items where there are more, int [M]; rare classes keep all of their items.

    Half of the places are shared out evenly among the classes.

    Args:
        items: Indices into `classes`, int [N].
        classes: Class of each item, int.
        most: The most items, M.
        rng: Draws them.
    """
    if len(items) <= most:
        return items
    order = rng.permutation(items)
    rank_in_class = pd.Series(classes[order]).groupby(classes[order]).cumcount().to_numpy()
    first = rank_in_class < most // (2 * (classes.max() + 1))
    return np.sort(np.concatenate([order[first], order[~first]])[:most])


def shift_of_bias(classes: np.ndarray, drawn: np.ndarray, count: int) -> np.ndarray:
    """What a bias needs after a fit to drawn items, float32 [C]: log ratios of shares in all to those drawn.

    Source: G. King and L. Zeng, "Logistic regression in rare events data", Political Analysis 9 (2001), prior
    correction.

    Args:
        classes: Class of each item, int [N].
        drawn: Class of each item that was drawn, int [M].
        count: The number of classes, C.
    """
    of_all, of_drawn = (np.bincount(some, minlength=count) / len(some) for some in (classes, drawn))
    has = of_drawn > 0
    return np.log(np.where(has, of_all, 1) / np.where(has, of_drawn, 1)).astype(np.float32)
