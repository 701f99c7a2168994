"""`map.yaml`: which class of the model is what in a PIM system."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Value = str | None | Literal[False]
"""A value; None for one that nobody has chosen yet; False for a class that is never written."""
Entry = Value | dict[str, Value | dict[str, Value]]
"""A value, or values by a further tag, or by two."""
SAME = "same"
ANY = "*"
"""Stands for all further values of a tag that are not named."""


class FieldMap(BaseModel):
    """One column or attribute of the PIM, and what goes into it."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    role: str = Field(alias="as", description="What it is: a role of the target, such as category or attribute.")
    of: tuple[str, ...] = Field(
        default=("articleType",),
        min_length=1,
        max_length=3,
        description="What decides about its value: a level, a further tag, or a column of --current; or several of "
        "these, such as [articleType, gender].",
    )
    values: Literal["same"] | dict[str, Entry] = Field(
        description="The value of each class; with several of `of`, by the next one. `same`: the class's own name."
    )
    master: Literal["same"] | dict[str, Entry] = Field(
        default={}, description="Values for items of which the master category alone is sure."
    )
    several: str | None = Field(
        default=None, description="What separates several values, where the target leaves it open."
    )
    new: bool = Field(default=False, description="true: a column that --current does not have yet.")
    suggest: str | None = Field(default=None, description="Column that takes the value with --as proposal.")
    parent: str | None = Field(default=None, description="Category under which new ones are created.")

    @field_validator("of", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value


class ExportMap(BaseModel):
    """The whole of `map.yaml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    target: str
    key: str | None = Field(default=None, description="Column by which the PIM's import finds a product.")
    id: str | None = Field(
        default=None, description="Column of --current that has the run's ids, where it is not the key."
    )
    fields: dict[str, FieldMap] = Field(min_length=1, description="What is written, by column or attribute.")
    confidence: str | None = Field(
        default=None, description="Column that takes the confidence of what is proposed, with --as proposal."
    )
    taxonomy: str | None = Field(default=None, description="Version of the taxonomy that the values are from.")
