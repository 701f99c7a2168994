"""The config of `tagger apply`."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from tagger.schemas.configs.options import DATABASE_DESCRIPTION, S3Options

CLASS_COLUMNS = ("id", "masterCategory", "articleType")
"""Columns of the CSV of classes; the other CSV files have id and a further tag."""


class ApplyConfig(S3Options):
    """Write final tags for the PIM: people's first, then sure ones."""

    examples = ("run-1 --out tags", "nights/ --out tags --format csv --column id=sku")
    renamed: ClassVar[Mapping[str, str]] = {"formats": "format"}

    run: str = Field(description="The run, or a folder of runs.", json_schema_extra={"argument": True})
    out: str = Field(description="Folder of the tags; it must be new or empty.")
    format: list[Literal["parquet", "csv"]] = Field(
        default=["parquet", "csv"],
        min_length=1,
        description="Forms to write: parquet has every item with its state, csv those that have tags to set.",
    )
    column: dict[str, str] = Field(
        default={},
        description="id=sku: what a column of the CSV is called in the PIM: id, masterCategory, articleType, or a "
        "further tag.",
    )
    no_value: list[str] = Field(
        default=[], description="What else a tag says that is none, such as k.A.; it is not written."
    )
    database: str | None = Field(default=None, description=DATABASE_DESCRIPTION)

    @field_validator("no_value", "format", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @field_validator("column")
    @classmethod
    def _distinct_names(cls, column: dict[str, str]) -> dict[str, str]:
        named = [column.get(name, name) for name in CLASS_COLUMNS]
        if not all(name.strip() for name in column.values()):
            raise ValueError("a column must have a name")
        if len(set(named)) < len(named):
            raise ValueError(f"two columns would have one name: {', '.join(named)}")
        return column
