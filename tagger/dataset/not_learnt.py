"""Says which share of a catalogue's labelled items is of leaves that training leaves out."""

from collections.abc import Sequence

from tagger.schemas.documents.bundle import LeftOut
from tagger.schemas.documents.taxonomy import Taxonomy

_LEAST_SHARE = 0.01
_SHOWN = 10


def not_learnt(left_out: Sequence[LeftOut], taxonomy: Taxonomy, learnt_items: int) -> str | None:
    """A warning that a model tags items of types that it never learns; None where they are few.

    Args:
        left_out: The leaves without training, the largest first.
        taxonomy: The leaves that are learnt.
        learnt_items: Number of labelled items of those.

    Returns:
        The share of the items, and the master categories of which no leaf is learnt. None below one percent, unless
        there is such a category.
    """
    items = sum(leaf.items for leaf in left_out)
    learnt = {leaf.masterCategory for leaf in taxonomy.leaves}
    vanished = list(dict.fromkeys(leaf.master_category for leaf in left_out if leaf.master_category not in learnt))
    percent = 100 * items / max(1, items + learnt_items)
    if percent < 100 * _LEAST_SHARE and not vanished:
        return None
    share = f"{percent:.0f}" if percent >= 1 else f"{percent:.1g}"
    text = (
        f"{share}% of the labelled items ({items:,}) are of article types that the model does not learn; "
        "it tags them as something else."
    )
    if vanished:
        more = f", … and {len(vanished) - _SHOWN:,} more" if len(vanished) > _SHOWN else ""
        text += f" It can never say {', '.join(vanished[:_SHOWN])}{more}."
    return text
