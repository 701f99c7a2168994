"""The message that `--notify` sends when a command has ended."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class Ending(BaseModel):
    """How a command has ended."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)

    text: str = Field(description="One or two sentences for people.")
    job: str = Field(description="The name that --job gave.")
    command: str
    outcome: Literal["done", "held", "failed"]
    exit_code: int
    started_at: datetime
    finished_at: datetime
    seconds: float
    error: str | None = Field(default=None, description="Why it failed.")
    result: dict[str, Any] | None = Field(default=None, description="What the command prints with --json.")
    version: str = Field(description="Of catalog-tagger.")
