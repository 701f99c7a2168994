"""Measures the bundles of one recipe on several splits, for honest figures."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd

from tagger.confidence import target
from tagger.dataset.split_rule import SplitRule
from tagger.dataset.splits_file import read_splits
from tagger.errors import InputError
from tagger.evaluation.intervals import accuracy, macro_f1, share
from tagger.evaluation.metrics import Predicted, level_metrics
from tagger.io.location import Location
from tagger.manifest.manifest import Manifest
from tagger.manifest.no_value import NoValue
from tagger.models.bundle import Bundle
from tagger.reporter import Reporter
from tagger.runs.staging import passthrough
from tagger.schemas.configs.confidence import PolicyConfig
from tagger.schemas.configs.train import ResultsConfig, TrainConfig
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.prediction import Evidence
from tagger.workflows.evidence_taught import Asked
from tagger.workflows.held_out_predictions import HeldOut, held_out_predictions
from tagger.workflows.honest_baselines import by_title, labels_of, most_frequent, most_frequent_by_master
from tagger.workflows.honest_page import APART, BRANDS, FEW, RANDOM, Figures, Learnt, LeftOut, Line, Promise
from tagger.workflows.open_catalog import resolve_location
from tagger.workflows.policy import fitting_side
from tagger.workflows.taught_files import WITHOUT_TYPE
from tagger.workflows.titles import labelled_sides

TARGETS = (0.95, 0.98, 0.99)
"""Target precisions whose coverage is measured, 0 to 1."""
_PROBABILITY = float(PolicyConfig.model_fields["probability"].default)
_TYPE = Level.ARTICLE_TYPE


@dataclass(frozen=True)
class Trained:
    """A bundle of a split, and its predictions of test items."""

    name: str
    rule: SplitRule
    folder: Location
    bundle: Bundle
    test: HeldOut

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
        return cls(name, rule, folder, bundle, held_out_predictions(folder, bundle.card, ["test"], Evidence.IMAGE))

    @property
    def types(self) -> Predicted:
        """Article types of the test items."""
        return self.test.predicted.levels[_TYPE]

    @property
    def ids(self) -> list[str]:
        """Ids of the test items."""
        ids: list[str] = self.test.predicted.items["id"].tolist()
        return ids

    @cached_property
    def sides(self) -> "pd.Series[str]":
        """Side of each item, by id."""
        return read_splits(self.folder)

    def line(self, train_types: np.ndarray, ids: "pd.Index[str]") -> Line:
        """The split's line.

        Args:
            train_types: Article types of the training items, object [M].
            ids: Of the items of all splits.
        """
        names, counts = np.unique(train_types.astype(str), return_counts=True)
        is_few = ~np.isin(self.types.truth.astype(str), names[counts >= FEW])
        learnt = Learnt(
            train_items=self.bundle.card.provenance.split_items["train"],
            unlearnt_items=len(ids.difference(self.sides.index)),
            few_items=int(is_few.sum()),
            others=None if is_few.all() else accuracy(self.types.only(~is_few)),
            calibration=level_metrics(self.types),
        )
        figures = accuracy(self.types), macro_f1(self.types)
        return Line(self.name, str(self.rule), len(self.types), *figures, learnt)


def figures_of(
    config: ResultsConfig,
    manifest: Manifest,
    trained: Mapping[str, Trained],
    left_out: list[LeftOut],
    reporter: Reporter,
) -> Figures:
    """All figures of a recipe.

    Args:
        config: Names the columns of titles and brands.
        manifest: The manifest of all trainings.
        trained: The bundles by split; RANDOM and APART are among them.
        left_out: What is left out so far; more is added.
        reporter: Where steps and warnings go.
    """
    apart = trained[APART]
    splits = [one for name, one in trained.items() if name != BRANDS]
    ids = pd.Index(pd.concat([one.sides for one in splits]).index.unique())
    return Figures(
        splits=[one.line(_train_types(config, manifest, one), ids) for one in splits],
        moved=_moved(trained[RANDOM], apart),
        guesses=_guesses(config, manifest, apart, left_out, reporter),
        promises=_promises(apart, reporter),
        brands=_brands(config, manifest, apart, trained[BRANDS], left_out) if BRANDS in trained else [],
        left_out=left_out,
    )


def _train_types(config: ResultsConfig, manifest: Manifest, trained: Trained) -> np.ndarray:
    """Article types of the training items, object [M]."""
    taxonomy = trained.bundle.card.taxonomy
    sides = labelled_sides(manifest, Asked(), trained.folder, taxonomy, config.merge_spellings)
    return labels_of(sides["train"], taxonomy, _TYPE)


def _moved(random: Trained, apart: Trained) -> int:
    """Number of items that are on another side of a split than of the other."""
    sides = random.sides.to_frame("random").join(apart.sides.rename("apart"), how="inner")
    return int((sides["random"] != sides["apart"]).sum())


def _guesses(
    config: ResultsConfig, manifest: Manifest, apart: Trained, left_out: list[LeftOut], reporter: Reporter
) -> list[Line]:
    """The model's line, and those of guesses of the same items."""
    taxonomy, truth = apart.bundle.card.taxonomy, apart.types.truth
    masters = apart.test.predicted.levels[Level.MASTER_CATEGORY].truth
    sides = labelled_sides(manifest, Asked(config.title), apart.folder, taxonomy, config.merge_spellings)
    sides["test"] = sides["test"].set_index("id", drop=False).loc[apart.ids]
    train_masters, train_types = (labels_of(sides["train"], taxonomy, level) for level in Level)
    guesses = {
        ("the model", ""): apart.types,
        ("the most frequent type", "one answer for all"): most_frequent(train_types, truth),
        ("the most frequent type of the master category", "the right master category is given"):
            most_frequent_by_master(train_masters, train_types, masters, truth),
    }  # fmt: skip
    if config.title:
        reporter.step(f"Learning from {', '.join(config.title)} alone")
        how = {
            False: "words and letters of the title, without the image",
            True: "the words of the item's article type are left out",
        }
        try:
            for is_bare, predicted in by_title(config.title, sides, taxonomy, reporter):
                guesses[f"the title{WITHOUT_TYPE if is_bare else ''}", how[is_bare]] = predicted
        except InputError as error:
            left_out.append(LeftOut("the title", str(error)))
    else:
        left_out.append(LeftOut("the title", "--title names no column of text"))
    return [Line(name, how, len(p), accuracy(p), macro_f1(p)) for (name, how), p in guesses.items()]


def _promises(apart: Trained, reporter: Reporter) -> list[Promise]:
    """What policies with each target accept of the test items."""
    side = fitting_side(apart.folder, reporter)
    held_out = held_out_predictions(apart.folder, apart.bundle.card, [side], Evidence.IMAGE)
    return [_promise(goal, side, held_out, apart.test) for goal in TARGETS]


def _promise(goal: float, side: Literal["val", "control"], held_out: HeldOut, test: HeldOut) -> Promise:
    policy = target.fit_policy(*held_out, dict.fromkeys(Level, goal), _PROBABILITY, class_items=0)
    applied = target.apply(policy, *test)[_TYPE]
    is_shown = policy.levels[_TYPE].accept_above is not None
    return Promise(
        target=goal,
        fitted_on=policy.fitted_on,
        side=side,
        items=applied.items,
        accepted=applied.accepted,
        precision=share(applied.right, applied.accepted) if applied.accepted else None,
        highest=None if is_shown else target.highest_target(*held_out, _TYPE, _PROBABILITY),
        shown=is_shown,
    )


def _brands(
    config: ResultsConfig, manifest: Manifest, apart: Trained, unseen: Trained, left_out: list[LeftOut]
) -> list[Line]:
    """Test items of brands that did not train, beside items of these brands where the brands trained, too."""
    of_unseen, of_apart = (_brands_of(config, manifest, one) for one in (unseen, apart))
    has_brand = of_unseen != ""
    names = sorted(set(of_unseen[has_brand]))
    if not names:
        left_out.append(LeftOut(BRANDS, f"no test item has a {config.brand}"))
        return []
    how = f"{len(names):,} brands, of which no item trained; brands too large for a side train"
    if not has_brand.all():
        how += f", and the {int((~has_brand).sum()):,} test items without a brand do not count"
    lines = [_brand_line("unseen brands", how, unseen.types.only(has_brand), of_unseen[has_brand])]
    known = np.isin(of_apart, names)
    if known.any():
        how = f"those of the split with {APART}, of which other items trained"
        lines.append(_brand_line("the same brands, seen", how, apart.types.only(known), of_apart[known]))
    else:
        left_out.append(LeftOut("the same brands, seen", f"none is among the test items with {APART}"))
    return lines


def _brands_of(config: ResultsConfig, manifest: Manifest, trained: Trained) -> np.ndarray:
    """The brand of each test item, object [N]; empty without one."""
    asked, no_value = Asked(columns=[str(config.brand)]), NoValue(config.no_value)
    sides = labelled_sides(manifest, asked, trained.folder, trained.bundle.card.taxonomy, config.merge_spellings)
    cells = sides["test"].set_index("id")[passthrough(str(config.brand))].loc[trained.ids]
    return np.array(["" if no_value.means_none(cell) else cell for cell in cells], object)


def _brand_line(name: str, how: str, predicted: Predicted, brands: np.ndarray) -> Line:
    return Line(name, how, len(predicted), accuracy(predicted, brands), macro_f1(predicted, brands))
