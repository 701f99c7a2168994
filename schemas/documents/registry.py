"""What a registry keeps of a named model: `vN/version.json` and `aliases.json`."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class RegistryPart(BaseModel):
    """A part of a registry's documents: written in camelCase, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class ModelVersion(RegistryPart):
    """`vN/version.json`: one version of a named model; it is written last, and never again."""

    version: str = Field(description="v1, v2 and so on.")
    model_id: str
    source: str = Field(description="The bundle that was copied.")
    added_at: datetime
    added_by: str
    note: str = ""
    digests: dict[str, str] = Field(description="SHA-256 of each of its files, by path within the version.")


class AliasChange(RegistryPart):
    """One change of an alias."""

    alias: str
    action: Literal["promote", "rollback"]
    version: str
    before: str | None = Field(description="The version that the alias named; null for its first one.")
    at: datetime
    by: str
    comparison: str | None = Field(default=None, description="The comparison that a promotion rests on.")
    note: str = ""


class Aliases(RegistryPart):
    """`aliases.json`: which version each alias names, and how that came about."""

    aliases: dict[str, str] = {}
    history: tuple[AliasChange, ...] = ()

    def earlier(self, alias: str) -> str | None:
        """The version that a rollback of an alias returns to; None where there is none."""
        named: list[str] = []
        for change in self.history:
            if change.alias == alias:
                named = named[:-1] if change.action == "rollback" else [*named, change.version]
        return named[-2] if len(named) > 1 else None
