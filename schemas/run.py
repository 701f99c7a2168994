"""`run.json`: what a run was asked, what it ran with, and what came out."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class RunPart(BaseModel):
    """A part of the run record: written in camelCase, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class Counts(RunPart):
    """How many rows went where. rows = predictions + rejects + skipped, and predictions = sum of decisions."""

    rows: int = 0
    repaired: int = 0
    rejects: int = 0
    skipped: int = Field(default=0, description="Rows left alone because --untagged-only was asked and they had tags.")
    predictions: int = 0
    decisions: dict[str, int] = {}
    errors: dict[str, int] = Field(default={}, description="Failed items by error code.")
    reject_reasons: dict[str, int] = {}
    parts: int = 0


class RunRecord(RunPart):
    """The whole of `run.json`."""

    run_version: Literal[1] = 1
    run_id: str
    model_id: str
    state: Literal["running", "done"]
    config: dict[str, object]
    fingerprint: str = Field(description="Hash of manifest, model and settings; another one may not continue this run.")
    inputs: dict[str, str] = Field(description="What the fingerprint is made of, by name.")
    versions: dict[str, str]
    engine: str = Field(default="", description="What ran the model, such as torch-cpu-float32; of the last call.")
    started_at: datetime
    finished_at: datetime | None = None
    seconds: float | None = Field(default=None, description="Duration of the last call that did work.")
    counts: Counts
