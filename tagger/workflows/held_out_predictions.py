"""Predictions of held-out items that a bundle's report keeps, by every kind of evidence."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from tagger.errors import InputError
from tagger.evaluation.metrics import Evaluation
from tagger.evaluation.report import ITEMS_BY_SIDE
from tagger.io.location import Location
from tagger.io.parquet import open_parquet
from tagger.schemas.documents.bundle import ModelCard
from tagger.schemas.tables.prediction import Evidence
from tagger.workflows.evidence_held_out import HELD_OUT

Side = Literal["val", "test", "control"]
"""A side of the split whose predictions a bundle keeps."""
_FILES: dict[Evidence, Mapping[str, str]] = {
    Evidence.IMAGE: ITEMS_BY_SIDE,
    **HELD_OUT,
}


class HeldOut(NamedTuple):
    """Predictions of held-out items."""

    predicted: Evaluation
    doubted: np.ndarray
    """Items that go to review whatever their confidence, as they are blurry or unfamiliar, bool [N]."""


def known_evidence(folder: Location, sides: Sequence[Side]) -> list[Evidence]:
    """What a bundle's stored predictions of the items of all these sides are based on; the image comes first."""
    report = folder / "report"
    others = [e for e in HELD_OUT if all((report / HELD_OUT[e][side]).exists() for side in sides)]
    return [Evidence.IMAGE, *others]


def has_predictions(folder: Location, side: Side, evidence: Evidence) -> bool:
    """Whether the bundle's report keeps predictions of this side's items by this evidence."""
    return (folder / "report" / _FILES[evidence][side]).exists()


def held_out_predictions(folder: Location, card: ModelCard, sides: Sequence[Side], evidence: Evidence) -> HeldOut:
    """Predictions of held-out items, as a bundle's report keeps them. Raises InputError when it has none."""
    tables = []
    for side in sides:
        file = folder / "report" / _FILES[evidence][side]
        if not file.exists():
            raise InputError(f"--model: {folder} has no report/{file.name}; bundles that are made from now on have it")
        with open_parquet(file) as items:
            tables.append(items.read().to_pandas())
    table = pd.concat(tables, ignore_index=True)
    return HeldOut(Evaluation.of_table("+".join(sides), table), _doubted(table, card))


def _doubted(items: pd.DataFrame, card: ModelCard) -> np.ndarray:
    blurry = items["blurScore"].to_numpy() < card.blur_threshold
    if card.familiarity is None:
        return blurry
    return np.asarray(blurry | (items["familiarity"].to_numpy() < card.familiarity.below))
