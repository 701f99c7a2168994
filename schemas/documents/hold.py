"""`hold.json`: why a run's tags are not to be exported, and who said that they may be."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

HOLD = "hold.json"


class HoldPart(BaseModel):
    """A part of the document: written in camelCase, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class Release(HoldPart):
    """A person's word that the run may be exported all the same."""

    at: datetime
    by: str
    note: str


class Hold(HoldPart):
    """The whole of `hold.json`."""

    at: datetime
    reason: str = Field(description="In words.")
    page: str = Field(description="The page that shows it, within the run.")
    release: Release | None = None
