"""Says whether a run is like the runs before it, and holds it where its tags may be wrong."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
from pydantic import ValidationError

from tagger.drift.items import AlarmItems, items_of, shares_of
from tagger.drift.judge import LEAST_ITEMS, LEAST_REFERENCE, Judged, judge
from tagger.drift.page import page_of, shown_ids
from tagger.drift.planted import Plant, Pool, planted
from tagger.drift.sample import MOST_ITEMS, Night, Sample, night_of
from tagger.drift.words import hold_reason
from tagger.errors import InputError
from tagger.evaluation.type_shares import TypeShare
from tagger.exports.csv import harmless
from tagger.io.location import Location
from tagger.pim.files import csv_line
from tagger.reporter import LOG, Reporter
from tagger.runs.directory import RunDirectory
from tagger.runs.holds import hold, hold_of, release
from tagger.runs.ledger import LedgerEntry, newest_first, read_ledger
from tagger.schemas.configs.drift import DriftConfig
from tagger.schemas.documents.drift import DRIFT, DRIFT_FILE, DRIFT_ITEMS, DRIFT_PAGE, DriftDocument
from tagger.schemas.documents.hold import Hold
from tagger.workflows.open_catalog import resolve_location
from tagger.workflows.run_pictures import pictures_of


@dataclass(frozen=True)
class Power:
    """What was seen of one plant."""

    plant: Plant
    nights: int
    seen: int
    """Nights with an alarm."""
    held: int
    """Nights whose exports would be held."""


@dataclass(frozen=True)
class DriftResult:
    """What a check has found."""

    run: Location
    document: DriftDocument | None
    """None after a release."""
    shares: list[TypeShare] = field(default_factory=list)
    """The types of the run, those first whose share has changed most."""
    items: list[AlarmItems] = field(default_factory=list)
    power: list[Power] = field(default_factory=list)
    """With `plant`."""
    hold: Hold | None = None

    @property
    def page(self) -> Location:
        """The page."""
        return self.run / DRIFT / DRIFT_PAGE

    @property
    def is_held(self) -> bool:
        """Whether exports of the run are refused now."""
        return self.hold is not None and self.hold.release is None


def check_drift(config: DriftConfig, reporter: Reporter = LOG) -> DriftResult:
    """Compare a run with earlier ones of the same model; hold it where its tags may be wrong, or release it.

    Each distinct picture counts once, and pictures that the earlier runs have do not count. The result is in the
    run's folder `drift`, as JSON, a page, and a table of items.

    Args:
        config: The run, the earlier ones, and the rate of false alarms.
        reporter: Where progress and warnings go.

    Returns:
        What has changed, and whether the run is held.

    Raises:
        UsageError: when there is no such run, or one is to be released that is not held.
        InputError: when the run has not finished.

    Example::

        from tagger import DriftConfig, check_drift

        result = check_drift(DriftConfig(run="runs/tuesday", against=["runs/"]))
        print([str(finding.statistic) for finding in result.document.alarms])
    """
    run = RunDirectory(resolve_location(config.run, config))
    run.read([], "RUN")
    record = run.record()
    if record is None:
        raise InputError(f"RUN: {run.root} has no run.json")
    if config.release is not None:
        return DriftResult(run.root, None, hold=release(run, config.release))
    reporter.step(f"Comparing {run.root.name} with the runs before")
    before = _before(config, run, record.run_id, record.model_id)
    reference = _reference(before)
    night = night_of(run).new_against(reference.sample)
    why_not = _why_not(night, reference, record.model_id)
    judged = Judged(()) if why_not else judge(night, reference, config.false_alarms, config.least_change)
    document = DriftDocument(
        run_id=record.run_id, model_id=record.model_id, checked_at=datetime.now(UTC), false_alarms=config.false_alarms,
        least=config.least_change, items=len(night.sample), against=tuple(entry.record.run_id for entry in before),
        against_items=len(reference.sample), findings=judged.findings, why_not=why_not,
        too_few=tuple(sorted(judged.too_few)),
        expected_accuracy=judged.expected_accuracy, accuracy_of_same_mix=judged.accuracy_of_same_mix,
    )  # fmt: skip
    shares = shares_of(night.sample, reference.sample)
    items = items_of(night.sample, reference.sample, judged)
    power = [] if why_not or not config.plant else _power(config, night, reference, reporter)
    if document.is_held:
        hold(run, hold_reason(document, shares), f"{DRIFT}/{DRIFT_PAGE}")
    result = DriftResult(run.root, document, shares, items, power, hold_of(run))
    _write(config, run, result, reporter)
    return result


def _before(config: DriftConfig, run: RunDirectory, run_id: str, model_id: str) -> list[LedgerEntry]:
    """The finished runs of the same model that are older than the run, the newest first.

    Those that are held, or were taken back, are no reference.
    """
    found = [e for name in config.against for e in read_ledger(resolve_location(name, config), "--against")]
    ordered = newest_first([*found, *(read_ledger(run.root, "RUN"))])
    place = next(number for number, entry in enumerate(ordered) if entry.record.run_id == run_id)
    return [
        entry
        for entry in ordered[place + 1 :]
        if entry.done and not entry.rolled_back and entry.record.model_id == model_id and not _is_held(entry)
    ]


def _is_held(entry: LedgerEntry) -> bool:
    held = hold_of(entry.directory) if entry.has_hold else None
    return held is not None and held.release is None


def _reference(entries: Sequence[LedgerEntry]) -> Night:
    """The items of the newest runs, until they are enough."""
    samples: list[Sample] = []
    failed = tagged = 0
    for entry in entries:
        if sum(map(len, samples)) >= MOST_ITEMS:
            break
        night = night_of(entry.directory)
        samples.append(night.sample)
        failed, tagged = failed + night.failed, tagged + (night.tagged or 0)
    return Night(Sample.joined(samples) if samples else Sample.empty(), failed, tagged)


def _why_not(night: Night, reference: Night, model_id: str) -> str:
    """Why nothing can be compared; empty where it can."""
    if len(night.sample) < LEAST_ITEMS:
        pictures = "1 picture" if len(night.sample) == 1 else f"{len(night.sample):,} pictures"
        return f"it has {pictures} that the runs before do not have, and {LEAST_ITEMS} are needed"
    if len(reference.sample) < LEAST_REFERENCE:
        return (
            f"the runs before of this model ({model_id}) have {len(reference.sample):,} pictures, and "
            f"{LEAST_REFERENCE} are needed"
        )
    return ""


def _power(config: DriftConfig, night: Night, reference: Night, reporter: Reporter) -> list[Power]:
    """Plant drift in nights of this size, drawn from the reference."""
    pool = Pool(reference.sample)  # not the night itself, which may have drifted
    items = min(len(night.sample), len(pool.sample) // 2)
    found: list[Power] = []
    with reporter.progress("Planting drift", len(pool.plants()) * config.nights, "nights") as bar:
        for plant in pool.plants():
            results = []
            for number in range(config.nights):
                rng = np.random.default_rng([number, list(Plant).index(plant)])
                new, old = planted(plant, pool, items, rng)
                results.append(judge(Night(new, 0), Night(old, 0), config.false_alarms, config.least_change, number))
                bar.update(len(found) * config.nights + number + 1)
            found.append(
                Power(plant, config.nights, sum(bool(r.alarms) for r in results), sum(r.holds for r in results))
            )  # fmt: skip
    return found


def _write(config: DriftConfig, run: RunDirectory, result: DriftResult, reporter: Reporter) -> None:
    """Write the document, the page and the table of items."""
    folder = run.root / DRIFT
    if result.document is None:
        return
    rows = [csv_line(["statistic", "id", "articleType", "value"], ",")]
    for alarm in result.items:
        columns = zip(alarm.ids, alarm.types, alarm.values, strict=True)
        rows += [csv_line([alarm.statistic, harmless(i), harmless(t), f"{v:.4g}"], ",") for i, t, v in columns]
    (folder / DRIFT_ITEMS).write_bytes(b"".join(rows))
    entries = read_ledger(run.root, "RUN")
    wanted = shown_ids(result.items)
    pictures, why = pictures_of(entries, wanted, reporter) if config.pictures and wanted else ({}, "")
    page = page_of(result.document, result.shares, result.items, pictures, why, _power_rows(result.power), result.hold)
    (folder / DRIFT_PAGE).write_text(page)
    (folder / DRIFT_FILE).write_text(result.document.model_dump_json(by_alias=True, indent=2))


def _power_rows(power: Sequence[Power]) -> list[tuple[str, int, int, int]]:
    return [(of.plant.words, of.nights, of.seen, of.held) for of in power]


def drift_of(run: RunDirectory) -> DriftDocument | None:
    """The result of a run's last check; None without one. Raises InputError for a broken file."""
    file = run.root / DRIFT / DRIFT_FILE
    if not file.exists():
        return None
    try:
        return DriftDocument.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise InputError(f"{file} cannot be read: {error.errors()[0]['msg']}") from error
