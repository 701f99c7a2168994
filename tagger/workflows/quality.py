"""Measures the precision of accepted tags in production, from review decisions on a random sample."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date

import pandas as pd

from tagger.confidence.qa_sample import (
    SAMPLED,
    Precision,
    Promise,
    accepted_items,
    by_class,
    each_once,
    precision_of,
    promises_of,
    sample_answers,
)
from tagger.decisions.final_tags import newest_by_id
from tagger.decisions.read import DATABASE, decisions_of
from tagger.errors import InputError, UsageError
from tagger.exports.csv import harmless
from tagger.io.location import Location
from tagger.reporter import LOG, Reporter
from tagger.runs.ledger import LedgerEntry, newest_first, read_ledger
from tagger.schemas.configs.confidence import QualityConfig
from tagger.schemas.documents.taxonomy import Level
from tagger.workflows.open_catalog import resolve_location


@dataclass(frozen=True)
class QualityResult:
    """Precision of accepted tags, from the decisions so far."""

    runs: int
    others: int
    """Runs of other models, which do not count."""
    levels: Mapping[Level, Precision]
    """With intervals for one look."""
    promises: Mapping[Level, Promise]
    """With bounds for any number of looks."""
    targets: Mapping[Level, float]
    """Target precision by level, 0 to 1; empty without a target."""
    classes: pd.DataFrame
    """One row per class of the sample: level, class, drawn, answered, right, lowest, highest."""
    waiting: int
    """Number of sample items without a decision."""
    waits_in: Location | None
    """The newest run with such items, if any."""
    table: Location | None
    """The CSV of the classes, if `out` is set."""


def measure_quality(config: QualityConfig, reporter: Reporter = LOG) -> QualityResult:
    """Measure the precision of the accepted tags of some runs, by level and class, against the target.

    Args:
        config: The runs, and the target, by default that of their policy.
        reporter: Where progress and warnings go.

    Returns:
        Precisions with their intervals for one look (Clopper and Pearson 1934), and with bounds that hold however
        often people look (`tagger.confidence.anytime`): these judge the target.

    Raises:
        UsageError: when there is no run, or the CSV cannot be written.
        InputError: when no run has a QA sample.

    Example::

        from tagger.schemas.configs.confidence import QualityConfig

        quality = measure_quality(QualityConfig(run=["run-1"]))
        print(quality.levels["articleType"].share)  # None before anybody has answered
    """
    places = [resolve_location(name, config) for name in config.run]
    runs = newest_first([entry for where in places for entry in read_ledger(where, f"RUN {where}")])
    runs, others = _counted(config, runs)
    reporter.step(f"Reading the QA sample of {len(runs)} {'run' if len(runs) == 1 else 'runs'}")
    database = config.database or os.environ.get(DATABASE)
    drawn = {entry.directory.root: _answers(entry, database) for entry in runs if entry.done}
    answers = each_once(pd.concat(list(drawn.values()) or [sample_answers([], {})], ignore_index=True))
    if answers.empty:
        raise InputError("RUN: none of these runs has a QA sample; tagger tag --qa-sample 0.01 draws one")
    levels = {level: precision_of(answers[answers["level"] == level], config.probability) for level in Level}
    targets = config.target_precision or _targets(runs)
    classes = by_class(answers, config.probability)
    return QualityResult(
        runs=len(runs),
        others=others,
        levels=levels,
        promises=promises_of(answers, _accepted(runs), targets, config.probability),
        targets=targets,
        classes=classes,
        waiting=answers.loc[answers["waiting"], "id"].nunique(),
        waits_in=next((root for root, rows in drawn.items() if rows["waiting"].any()), None),
        table=_write(classes, resolve_location(config.out, config)) if config.out else None,
    )


def _counted(config: QualityConfig, runs: list[LedgerEntry]) -> tuple[list[LedgerEntry], int]:
    """The runs that count, the newest first, and how many are left out because another model tagged them."""
    standing = [run for run in runs if not run.rolled_back]
    if not standing:
        raise UsageError("RUN: these runs were taken back (tagger rollback)")
    counted = [run for run in standing if config.since is None or _day(run) >= config.since]
    if not counted:
        raise UsageError(f"--since {config.since}: the newest of these runs is of {_day(standing[0])}")
    of_model = [run for run in counted if run.record.model_id == counted[0].record.model_id]
    return (counted, 0) if config.models == "all" else (of_model, len(counted) - len(of_model))


def _day(run: LedgerEntry) -> date:
    return run.record.started_at.astimezone(UTC).date()


def _answers(entry: LedgerEntry, database: str | None) -> pd.DataFrame:
    decided = newest_by_id(decisions_of(entry.directory, database))
    return sample_answers(entry.directory.batches(SAMPLED), decided)


def _accepted(runs: list[LedgerEntry]) -> Mapping[Level, int]:
    """Number of accepted items by level, without the sample; empty for several runs, which may share items."""
    return accepted_items(runs[0].directory.batches(["decision"])) if len(runs) == 1 else {}


def _targets(runs: list[LedgerEntry]) -> dict[Level, float]:
    """The target precision of the newest run."""
    promised = next((entry.record.target_precision for entry in runs if entry.record.target_precision), {})
    return {Level(name): target for name, target in promised.items()}


def _write(classes: pd.DataFrame, target: Location) -> Location:
    if target.is_dir():
        raise UsageError(f"--out: {target} is a folder; name a file, such as {target}/quality.csv")
    target.write_text(classes.assign(**{"class": classes["class"].map(harmless)}).to_csv(index=False))
    return target
