"""The settings of drift checks, and the config of `tagger drift`."""

from typing import ClassVar

from pydantic import Field, field_validator, model_validator

from tagger.schemas.configs.options import S3Options
from tagger.schemas.values import JobConfig, Panel


class DriftOptions(JobConfig):
    """What a run is compared with."""

    panel = Panel.DRIFT

    against: list[str] = Field(
        default=[],
        description="Earlier runs, or folders of runs: compare the run with those of the same model. If its tags may "
        "be wrong, exports of it are held, and the command exits with 5.",
    )
    false_alarms: float = Field(
        default=0.01,
        gt=0,
        le=0.2,
        description="Share of nights with an alarm where nothing has changed: 0.01, 1 in 100.",
    )
    least_change: float = Field(
        default=0.01, ge=0, le=1, description="Smaller changes, of a share of items, are no alarm."
    )

    @field_validator("against", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value


class DriftConfig(DriftOptions, S3Options):
    """Say whether a run is like the runs before it.

    Other types than usual are said. A model that is less sure of the same types, or items that do not look like their
    type, hold exports of the run until a person has looked.
    """

    panel = Panel.SETTINGS
    examples: ClassVar[tuple[str, ...]] = (
        "runs/2026-11-30 --against runs/",
        "runs/2026-11-30 --against runs/ --plant",
        "runs/2026-11-30 --release 'new studio, tags looked at'",
    )

    run: str = Field(description="The run.", json_schema_extra={"argument": True})
    release: str | None = Field(default=None, min_length=1, description="Let a held run be exported; says why.")
    plant: bool = Field(
        default=False,
        description="Say what would be noticed at this size: plant drift in nights drawn from the runs before.",
    )
    nights: int = Field(default=40, ge=5, le=10_000, description="With --plant: nights with each plant.")
    pictures: bool = Field(default=True, description="Show pictures on the page.")

    @model_validator(mode="after")
    def _does_one_thing(self) -> "DriftConfig":
        if not self.against and self.release is None:
            raise ValueError("against is missing: the runs to compare with")
        return self
