"""Items of brands that a model has not seen, and what policies promise of them, for honest figures."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tagger.evaluation.intervals import accuracy, macro_f1
from tagger.manifest.manifest import Manifest
from tagger.manifest.no_value import NoValue
from tagger.reporter import Reporter
from tagger.runs.staging import passthrough
from tagger.schemas.configs.train import ResultsConfig
from tagger.schemas.tables.prediction import Evidence
from tagger.workflows.evidence import labelled_sides
from tagger.workflows.evidence_taught import Asked
from tagger.workflows.held_out_predictions import HeldOut, held_out_predictions, known_evidence
from tagger.workflows.honest.evidence import BasedOn, by_kind
from tagger.workflows.honest.figures import APART, BRANDS, LeftOut, Line, Promise
from tagger.workflows.honest.promises import promises_of
from tagger.workflows.honest.splits import Trained
from tagger.workflows.policy import fitting_side


@dataclass(frozen=True)
class BrandFigures:
    """What a model and its policies do with brands of which no item trained."""

    lines: Sequence[Line] = ()
    promises: Sequence[Promise] = ()


def brand_figures(
    config: ResultsConfig,
    manifest: Manifest,
    apart: Trained,
    unseen: Trained,
    left_out: list[LeftOut],
    reporter: Reporter,
) -> BrandFigures:
    """Test items of brands that did not train, and the same brands where other items of them trained.

    Args:
        config: Names the column of brands.
        manifest: The manifest of all trainings.
        apart: The bundle that was trained with copies apart.
        unseen: The bundle that was trained with brands apart.
        left_out: What is left out so far; more is added.
        reporter: Where warnings go.
    """
    brands = _brands_by_id(config, manifest, unseen)
    names = set(brands[unseen.by_image.ids]) - {""}
    if not names:
        left_out.append(LeftOut(BRANDS, f"no test item has a {config.brand}"))
        return BrandFigures()
    lines = [_unseen_line(brands, test) for test in unseen.tests]
    seen = _brands_by_id(config, manifest, apart)
    if names.isdisjoint(seen[apart.by_image.ids]):
        left_out.append(LeftOut("the same brands, seen", f"none is among the test items with {APART}"))
    else:
        how = f"those of the split with {APART}, of which other items trained"
        lines += [_line("the same brands, seen", how, test, seen, names) for test in apart.tests]
    return BrandFigures(lines, _promises(unseen, brands, left_out, reporter))


def _brands_by_id(config: ResultsConfig, manifest: Manifest, trained: Trained) -> "pd.Series[str]":
    """The brand of each item of a split, by id; empty without one."""
    asked, no_value = Asked(columns=[str(config.brand)]), NoValue(config.no_value)
    sides = labelled_sides(manifest, asked, trained.folder, trained.bundle.card.taxonomy, config.merge_spellings)
    cells = pd.concat(list(sides.values())).set_index("id")[passthrough(str(config.brand))]
    return cells.map(lambda cell: "" if no_value.means_none(cell) else cell)


def _unseen_line(brands: "pd.Series[str]", test: BasedOn) -> Line:
    of_items = brands[test.ids]
    names = set(of_items) - {""}
    how = f"{len(names):,} brands, of which no item trained; brands too large for a side train"
    without = int((of_items == "").sum())
    if without:
        how += f", and the {without:,} test items without a brand do not count"
    return _line("unseen brands", how, test, brands, names)


def _line(name: str, how: str, test: BasedOn, brands: "pd.Series[str]", names: set[str]) -> Line:
    """The line of the items of some brands, with intervals that draw whole brands."""
    of_items = brands[test.ids].to_numpy(object)
    chosen = np.isin(of_items, sorted(names))
    predicted, groups = test.types.only(chosen), of_items[chosen]
    figures = accuracy(predicted, groups), macro_f1(predicted, groups)
    return Line(name, how, len(predicted), *figures, evidence=test.evidence)


def _promises(unseen: Trained, brands: "pd.Series[str]", left_out: list[LeftOut], reporter: Reporter) -> list[Promise]:
    """What policies accept of unseen brands; they are fitted on items of other brands that did not train either."""
    side = fitting_side(unseen.folder, reporter)
    fitting = {}
    for kind in known_evidence(unseen.folder, [side]):
        held_out = held_out_predictions(unseen.folder, unseen.bundle.card, [side], kind)
        has_brand = (brands[held_out.predicted.items["id"]] != "").to_numpy()
        if has_brand.any():
            fitting[kind] = HeldOut(held_out.predicted.only(has_brand), held_out.doubted[has_brand])
    if Evidence.IMAGE not in fitting:
        left_out.append(LeftOut("what needs no person, of unseen brands", f"no {side} item has a brand"))
        return []
    given = {test.evidence for test in unseen.tests}
    others = [kind for kind in known_evidence(unseen.folder, [side, "test"]) if kind not in given]
    tests = [*unseen.tests, *(by_kind(unseen.folder, unseen.bundle, "test", kind) for kind in others)]
    chosen = [test.only((brands[test.ids] != "").to_numpy()) for test in tests]
    chosen = [test for test in chosen if len(test.kinds)]
    return promises_of(side, fitting, chosen, [brands[test.ids].to_numpy(object) for test in chosen])
