"""The settings that tell other programs how a command has ended."""

from collections.abc import Mapping
from typing import Literal

from pydantic import AwareDatetime, Field, field_validator

from tagger.schemas.values import JobConfig, Panel

NOTIFY = "TAGGER_NOTIFY"
"""Environment variable with addresses, separated by spaces: they may be secrets."""
LINEAGE_ENVIRONMENT = "env"
"""The `lineage` for what the variables and the file of OpenLineage's clients say."""
_OTHER_CODES = frozenset({1, 2, 3, 4, 5, 130})
"""Exit codes that say something else."""
SECRET = frozenset({"notify", "lineage"})
"""Fields that no file of a run may hold."""


class ReportingOptions(JobConfig):
    """Who is told how the command has ended."""

    panel = Panel.REPORTING

    job: str = Field(default="tag", min_length=1, description="Name of the job in metrics and messages.")
    metrics: str | None = Field(
        default=None,
        description="FILE.prom for node_exporter's textfile collector; written when the command fails, too.",
    )
    notify: list[str] = Field(
        default=[],
        description="Addresses that get a message at the end: http(s):// gets JSON, a Slack webhook its form, others "
        f"need apprise. They are often secrets, and may come from the variable {NOTIFY} instead.",
    )
    notify_on: Literal["end", "failure"] = Field(
        default="end", description="When: at each end, or where the command failed or the run is held."
    )
    lineage: str | None = Field(
        default=None,
        min_length=1,
        description="OpenLineage events of the start and the end: FILE.jsonl, an http(s):// address, or env, for what "
        "OPENLINEAGE_URL or OPENLINEAGE_CONFIG say.",
    )
    nominal_time: AwareDatetime | None = Field(
        default=None, description="When the scheduler planned this run, as 2026-11-27T02:30:00Z; for --lineage."
    )
    exit_if_nothing: int | None = Field(
        default=None,
        ge=1,
        le=255,
        description="Exit code where no item had to be tagged, such as 99, for schedulers that can skip what follows.",
    )

    @property
    def inputs(self) -> Mapping[str, str]:
        """What the command reads, by what it is: paths, or addresses."""
        return {}

    @field_validator("notify", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @field_validator("exit_if_nothing")
    @classmethod
    def _is_free(cls, value: int | None) -> int | None:
        if value in _OTHER_CODES:
            raise ValueError(f"{value} has a meaning of its own (see the exit codes); take another one, such as 99")
        return value

    @field_validator("metrics")
    @classmethod
    def _is_a_text_file(cls, value: str | None) -> str | None:
        if value is not None and ("://" in value or not value.endswith(".prom")):
            raise ValueError(f"{value} is no file on this machine whose name ends with .prom, as node_exporter reads")
        return value
