"""Fits the thresholds of a bundle's attributes to a target precision, or tries a target out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from tagger.confidence.target import Applied, apply_level, fit_level
from tagger.confidence.trial import TargetTrial, try_level
from tagger.errors import UsageError
from tagger.evaluation.metrics import Predicted
from tagger.io.location import Location
from tagger.io.parquet import open_parquet
from tagger.manifest.headings import listed
from tagger.reporter import Reporter
from tagger.schemas.configs.confidence import PolicyConfig
from tagger.schemas.documents.bundle import AttributePolicy
from tagger.schemas.tables.prediction import Evidence
from tagger.schemas.values import ALL_NAMES
from tagger.workflows.evidence_held_out import IN_WORDS
from tagger.workflows.taught_files import HELD_OUT


@dataclass(frozen=True)
class FittedAttribute:
    """The policy of an attribute, and its effect on the test items, to which nothing was fitted."""

    policy: AttributePolicy
    on_test: Mapping[Evidence, Applied]


def fit_attributes(
    config: PolicyConfig, folder: Location, side: Literal["val", "control"], reporter: Reporter
) -> dict[str, FittedAttribute]:
    """Fit the thresholds of every attribute that a bundle knows, for each kind of evidence.

    Warns where a target cannot be shown; nothing is accepted then.

    Args:
        config: The targets.
        folder: The bundle's folder.
        side: The side whose items are fitted to.
        reporter: Where warnings go.

    Raises:
        UsageError: when a target is for an attribute that the bundle does not know.
    """
    held_out = _held_out(config, folder)
    fitted = {}
    for name, items in held_out.items():
        levels, on_test, counts = {}, {}, {}
        of_side = items[items["side"] == side]
        unseen = sorted(set(items["evidence"]) - set(of_side["evidence"]))
        if unseen:
            words = ", nor ".join(IN_WORDS[Evidence(kind)] for kind in unseen)
            reporter.warn(
                f"No {side} item has a label of {name} and is predicted {words}; so nothing of these is accepted"
            )
        for kind, predicted in _by_evidence(of_side):
            everything = np.ones(len(predicted), bool)
            target = config.attribute_target(name)
            levels[kind] = fit_level(predicted, everything, target, config.probability, config.class_items)
            counts[kind] = len(predicted)
            of_test = items[(items["side"] == "test") & (items["evidence"] == str(kind))]
            test = _predicted(of_test)
            on_test[kind] = apply_level(levels[kind], test, np.ones(len(test), bool))
        policy = AttributePolicy(probability=config.probability, side=side, by_evidence=levels, fitted_on=counts)
        fitted[name] = FittedAttribute(policy, on_test)
        unmet = [IN_WORDS[kind] for kind, level in levels.items() if level.accept_above is None and not level.classes]
        if unmet:
            by = "by anything that an item shows" if len(unmet) == len(levels) else ", nor ".join(unmet)
            reporter.warn(
                f"--attribute-precision {name}={config.attribute_target(name):g}: cannot be shown on "
                f"{max(counts.values()):,} {side} items {by}; so nothing of these is accepted"
            )
    return fitted


def try_attributes(
    config: PolicyConfig, folder: Location, side: Literal["val", "control"], reporter: Reporter
) -> dict[str, dict[Evidence, TargetTrial]]:
    """Fit to one half of the held-out items, apply to the other, many times; the bundle stays as it is.

    Args:
        config: The targets, and the number of halves.
        folder: The bundle's folder.
        side: The side whose items, with those of test, are split.
        reporter: Where progress goes.

    Raises:
        UsageError: when a target is for an attribute that the bundle does not know.
    """
    trials: dict[str, dict[Evidence, TargetTrial]] = {}
    for name, items in _held_out(config, folder).items():
        trials[name] = {}
        for kind, predicted in _by_evidence(items[items["side"].isin([side, "test"])]):
            with reporter.progress(f"Trying the policy of {name} {IN_WORDS[kind]}", config.splits, "halves") as bar:
                trials[name][kind] = try_level(
                    predicted, config.attribute_target(name), config.probability, config.class_items, config.splits,
                    config.seed, bar.update,
                )  # fmt: skip
    return trials


def _held_out(config: PolicyConfig, folder: Location) -> dict[str, pd.DataFrame]:
    """Predictions of held-out items by attribute; none where the bundle knows none."""
    file = folder / "report" / HELD_OUT
    by_name: dict[str, pd.DataFrame] = {}
    if file.exists():
        with open_parquet(file) as items:
            table = items.read().to_pandas()
        by_name = {str(name): rows for name, rows in table.groupby("attribute", sort=False)}
    unknown = [name for name in config.attribute_precision if name not in (ALL_NAMES, *by_name)]
    if unknown:
        knows = listed(list(by_name)) if by_name else "no attributes"
        raise UsageError(f"--attribute-precision {unknown[0]}: the bundle knows {knows}")
    return by_name


def _by_evidence(items: pd.DataFrame) -> Iterator[tuple[Evidence, Predicted]]:
    """Predictions by each kind of evidence that some of these items have."""
    for kind in Evidence:
        of_kind = items[items["evidence"] == str(kind)]
        if len(of_kind):
            yield kind, _predicted(of_kind)


def _predicted(items: pd.DataFrame) -> Predicted:
    truth, value = (items[name].to_numpy(object) for name in ("label", "value"))
    return Predicted(truth, value, items["confidence"].to_numpy(np.float32))
