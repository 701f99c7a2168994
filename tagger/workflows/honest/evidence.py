"""Predictions of held-out items by the image alone and by all evidence, for honest figures."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tagger.errors import InputError
from tagger.evaluation.metrics import Evaluation, Predicted
from tagger.io.location import Location
from tagger.io.parquet import open_parquet
from tagger.models.bundle import Bundle
from tagger.models.evidence import RICHEST_FIRST
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.prediction import Evidence
from tagger.workflows.evidence_held_out import BARE_TITLES
from tagger.workflows.held_out_predictions import HeldOut, Side, held_out_predictions, known_evidence


@dataclass(frozen=True)
class BasedOn:
    """What a bundle predicts of N held-out items, by one kind of evidence or by all that each item shows."""

    evidence: Evidence
    """All that any of the predictions is based on."""
    held_out: HeldOut
    kinds: np.ndarray
    """What each prediction is based on, Evidence as object [N]."""

    @property
    def types(self) -> Predicted:
        """The article types."""
        return self.held_out.predicted.levels[Level.ARTICLE_TYPE]

    @property
    def ids(self) -> list[str]:
        """Ids of the items."""
        ids: list[str] = self.held_out.predicted.items["id"].tolist()
        return ids

    def only(self, chosen: np.ndarray) -> "BasedOn":
        """The items of a mask, bool [N]."""
        held_out = HeldOut(self.held_out.predicted.only(chosen), self.held_out.doubted[chosen])
        return BasedOn(self.evidence, held_out, self.kinds[chosen])


def by_kind(folder: Location, bundle: Bundle, side: Side, kind: Evidence) -> BasedOn:
    """Predictions of the items of a side that have one kind of evidence, by that.

    Args:
        folder: The bundle's folder.
        bundle: The bundle.
        side: The side.
        kind: The kind; the bundle has predictions by it.

    Raises:
        InputError: when the bundle has none.
    """
    held_out = held_out_predictions(folder, bundle.card, [side], kind)
    return BasedOn(kind, held_out, np.full(len(held_out.doubted), kind, object))


def by_all(folder: Location, bundle: Bundle, side: Side) -> BasedOn | None:
    """Predictions of a side's items with an image by all evidence that each item shows, as `tagger tag` joins it.

    Args:
        folder: The bundle's folder.
        bundle: The bundle.
        side: The side.

    Returns:
        The items in the order of those by the image alone; None where the bundle knows nothing but the image.
    """
    known = known_evidence(folder, [side])
    kinds = [kind for kind in RICHEST_FIRST if kind in known and "image" in kind.witnesses]
    if len(kinds) < 2:
        return None
    parts = {kind: by_kind(folder, bundle, side, kind) for kind in kinds}
    tables = [
        part.held_out.predicted.table().assign(doubted=part.held_out.doubted, kind=str(kind))
        for kind, part in parts.items()
    ]
    richest = pd.concat(tables, ignore_index=True).drop_duplicates("id").set_index("id")
    table = richest.loc[parts[Evidence.IMAGE].ids].reset_index()
    of_items = np.array([Evidence(kind) for kind in table.pop("kind")], object)
    doubted = table.pop("doubted").to_numpy(bool)
    return BasedOn(_together(kinds), HeldOut(Evaluation.of_table(side, table), doubted), of_items)


def without_types(folder: Location, ids: Sequence[str]) -> Predicted:
    """Article types of test items by all evidence, without the words of an item's type in its title.

    Args:
        folder: Folder of a bundle that knows titles.
        ids: The items, in the order of the result.

    Raises:
        InputError: when the bundle has no such predictions.
    """
    file = folder / "report" / BARE_TITLES
    if not file.exists():
        raise InputError(f"{folder} has no report/{BARE_TITLES}; bundles that are made from now on have it")
    with open_parquet(file) as items:
        table = items.read().to_pandas()
    predicted = Evaluation.of_table("test", table.set_index("id").loc[list(ids)].reset_index())
    return predicted.levels[Level.ARTICLE_TYPE]


def _together(kinds: Sequence[Evidence]) -> Evidence:
    """All witnesses of several kinds of evidence."""
    heard = {witness for kind in kinds for witness in kind.witnesses}
    return Evidence("+".join(witness for witness in ("image", "title", "columns") if witness in heard))
