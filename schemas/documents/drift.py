"""`drift.json`: what a run's drift check found."""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

DRIFT = "drift"
"""Folder of a run with the result of its check."""
DRIFT_FILE, DRIFT_PAGE, DRIFT_ITEMS = "drift.json", "drift.html", "items.csv"


class Statistic(StrEnum):
    """What is compared between a night and the nights before."""

    LABELS = "labels"
    LABEL_MIX = "label_mix"
    FAILED = "failed"
    CONFIDENCE = "confidence"
    EXPECTED_ACCURACY = "expected_accuracy"
    LIKENESS = "likeness"
    LOOK = "look"
    BLUR = "blur"
    BRIGHTNESS = "brightness"
    SIZE = "size"

    @property
    def holds(self) -> bool:
        """Whether a change means that tags may be wrong, so that nothing should be exported."""
        return self in (Statistic.CONFIDENCE, Statistic.EXPECTED_ACCURACY, Statistic.LIKENESS)


class DriftPart(BaseModel):
    """A part of the document: written in camelCase, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class DriftFinding(DriftPart):
    """One statistic of a night."""

    statistic: Statistic
    value: float = Field(description="The change: a share of items, of right types for expected_accuracy, 0 to 1.")
    p: float = Field(description="Probability of a value as large by chance, if nothing has changed.")
    adjusted_p: float = Field(
        description="The same for all statistics together, by Holm; an alarm is at most the rate."
    )
    is_alarm: bool
    items: int = Field(description="Items of the night that it compares.")
    against: int = Field(description="Items of the nights before.")


class DriftDocument(DriftPart):
    """The whole of `drift.json`."""

    run_id: str
    model_id: str
    checked_at: datetime
    false_alarms: float = Field(description="Share of nights with an alarm if nothing ever changed.")
    least: float = Field(description="Smallest change that is an alarm.")
    items: int = Field(description="Distinct new pictures of the night.")
    against: tuple[str, ...] = Field(description="Ids of the runs before.")
    against_items: int
    findings: tuple[DriftFinding, ...] = ()
    too_few: tuple[Statistic, ...] = Field(
        default=(), description="What could not be compared: the runs before have too few items of the night's types."
    )
    why_not: str = Field(default="", description="Why nothing could be compared; empty where it was.")
    expected_accuracy: float | None = Field(default=None, description="Mean confidence of the night's article types.")
    accuracy_of_same_mix: float | None = Field(
        default=None, description="The same of the nights before, if their items had been of this night's types."
    )

    @property
    def alarms(self) -> tuple[DriftFinding, ...]:
        """What has changed; what holds exports comes first."""
        found = (finding for finding in self.findings if finding.is_alarm)
        return tuple(sorted(found, key=lambda finding: not finding.statistic.holds))

    @property
    def is_held(self) -> bool:
        """Whether tags may be wrong, so that the run is held."""
        return any(finding.statistic.holds for finding in self.alarms)
