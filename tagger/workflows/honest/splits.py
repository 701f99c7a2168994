"""The bundles of one recipe on several splits, and how many of their test items are right, for honest figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from tagger.dataset.split_rule import SplitRule
from tagger.dataset.splits_file import read_splits
from tagger.evaluation.intervals import accuracy, macro_f1
from tagger.evaluation.metrics import level_metrics
from tagger.io.location import Location
from tagger.manifest.manifest import Manifest
from tagger.models.bundle import Bundle
from tagger.schemas.configs.train import ResultsConfig, TrainConfig
from tagger.schemas.tables.prediction import Evidence
from tagger.workflows.honest.evidence import BasedOn, by_all, by_kind
from tagger.workflows.honest.figures import FEW, Learnt, LeftOut, Line
from tagger.workflows.open_catalog import resolve_location


@dataclass(frozen=True)
class Trained:
    """A bundle of a split, and its predictions of test items."""

    name: str
    rule: SplitRule
    folder: Location
    bundle: Bundle
    by_image: BasedOn
    """By the image alone."""
    by_all: BasedOn | None = None
    """By all evidence, for the same items in the same order; None where the bundle knows nothing but the image."""

    @classmethod
    def load(cls, name: str, training: TrainConfig, manifest: Manifest) -> "Trained":
        """The bundle of a finished training.

        Args:
            name: The split's name.
            training: The config of the training.
            manifest: Its manifest.
        """
        folder = resolve_location(training.out, training)
        bundle = Bundle.load(folder, "--out")
        rule = SplitRule.of(training, training.seed, manifest.columns, training.no_value)
        by_image = by_kind(folder, bundle, "test", Evidence.IMAGE)
        return cls(name, rule, folder, bundle, by_image, by_all(folder, bundle, "test"))

    @property
    def tests(self) -> Sequence[BasedOn]:
        """The predictions of test items: by the image alone, and by all evidence if there is more."""
        return [self.by_image, *([self.by_all] if self.by_all else [])]

    @cached_property
    def sides(self) -> "pd.Series[str]":
        """Side of each item, by id."""
        return read_splits(self.folder)

    def lines(self, train_types: np.ndarray, ids: "pd.Index[str]") -> list[Line]:
        """The split's lines: by the image alone, and by all evidence if there is more.

        Args:
            train_types: Article types of the training items, object [M].
            ids: Of the items of all splits.
        """
        return [self._line(test, train_types, ids) for test in self.tests]

    def _line(self, test: BasedOn, train_types: np.ndarray, ids: "pd.Index[str]") -> Line:
        names, counts = np.unique(train_types.astype(str), return_counts=True)
        is_few = ~np.isin(test.types.truth.astype(str), names[counts >= FEW])
        learnt = Learnt(
            train_items=self.bundle.card.provenance.split_items["train"],
            unlearnt_items=len(ids.difference(self.sides.index)),
            few_items=int(is_few.sum()),
            others=None if is_few.all() else accuracy(test.types.only(~is_few)),
            calibration=level_metrics(test.types),
        )
        figures = accuracy(test.types), macro_f1(test.types)
        return Line(self.name, str(self.rule), len(test.types), *figures, learnt, test.evidence)

    def left_out(self, config: ResultsConfig) -> list[LeftOut]:
        """What the bundle was to learn of titles and columns, and could not, with the reasons.

        Args:
            config: Names the columns.
        """
        reasons = dict(self.bundle.card.provenance.evidence_left_out)
        heard = self.by_all.evidence.witnesses if self.by_all else ()
        for witness, flag, names in (("title", "--title", config.title), ("columns", "--evidence", config.evidence)):
            if names and witness not in heard and not any(one.startswith(f"{flag} ") for one in reasons):
                why = "no val item, or no test item, has an image and what was learnt of these columns"
                reasons[f"{flag} {','.join(names)}"] = why
        return [LeftOut(f"{self.name}, {flag}", why) for flag, why in reasons.items()]
