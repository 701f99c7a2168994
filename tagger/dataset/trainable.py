"""Explains why labelled items do not suffice for training, from labels and sides alone, before images are read."""

from collections import Counter
from collections.abc import Mapping, Sequence

Pair = tuple[str, str]
"""A leaf by its names: master category, article type."""

NO_LABELS = (
    "--manifest: no row has both a masterCategory and an articleType to learn from; "
    "if they stand in columns of other names, name them with --column"
)
_MUST_HAVE_ITEMS = ("val", "test")
_SHOWN = 3


def why_unlabelled(missing: str | None, rows: int, items: int) -> str:
    """Explain why no row has both labels, with the way out.

    Args:
        missing: The manifest's message about missing label columns; None where it has both.
        rows: Rows that were read.
        items: Rows that are not rejects.
    """
    if missing:
        return f"--manifest: there is nothing to learn from: {missing}"
    if not rows:
        return "--manifest: there is nothing to learn from: it has a heading, and no rows"
    if not items:
        return (
            f"--manifest: there is nothing to learn from: not one of {rows:,} rows can be read; tagger check says why"
        )
    return (
        f"--manifest: there is nothing to learn from: not one of {_items(items)} has both a masterCategory and an "
        "articleType; label some, or name other columns with --column"
    )


def why_untrainable(leaves: Mapping[Pair, int], min_items: int) -> str | None:
    """Explain why labels do not suffice for training, with the flag and the way out; None where they do.

    Args:
        leaves: Labelled items of each leaf, before any is left out.
        min_items: Least number of items of a leaf.
    """
    if not leaves:
        return NO_LABELS
    order = sorted(leaves.items(), key=lambda entry: (-entry[1], entry[0]))
    if len(order) == 1:
        (name, count) = order[0]
        return (
            f"--manifest: {_items(count)} with both labels, all of one leaf, {_leaf(name)}; "
            "a model tells at least two apart: label items of another leaf, too"
        )
    if order[1][1] < min_items:
        largest = ", ".join(f"{_leaf(name)} {count:,}" for name, count in order[:_SHOWN])
        return (
            f"--min-items {min_items}: fewer than two leaves have so many items (largest: {largest}); "
            "lower it, or label more items"
        )
    return None


def why_unsplit(pairs: Sequence[Pair], sides: Sequence[str | None], shares: Mapping[str, float]) -> str | None:
    """Explain why a split leaves a side empty, with the flags and the way out; None where it does not.

    Args:
        pairs: The leaf of each item, [N].
        sides: The side of each item, one of SPLITS, [N]; None for an item that is left out.
        shares: Requested share of val, test and control.
    """
    trained = {pair for pair, side in zip(pairs, sides, strict=True) if side == "train"}
    if len(trained) < 2:
        return "--split: fewer than two leaves have items to train on; lower --val and --test, or label more items"
    counts = Counter(side for pair, side in zip(pairs, sides, strict=True) if pair in trained)
    empty = [name for name in _MUST_HAVE_ITEMS if not counts[name]]
    if not empty:
        return None
    flags = " and ".join(f"--{name} {shares.get(name, 0.0):g}" for name in empty)
    return (
        f"{flags}: not one of {_items(len(pairs))} in {len(trained)} leaves falls to {' and '.join(empty)}; "
        "label more items, or raise the share"
    )


def _leaf(pair: Pair) -> str:
    return f"{pair[0]}/{pair[1]}"


def _items(count: int) -> str:
    return "1 item" if count == 1 else f"{count:,} items"
