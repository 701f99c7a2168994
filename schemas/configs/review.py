"""The configs of `tagger review` and `apply`."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from tagger.schemas.configs.options import (
    DATABASE_DESCRIPTION,
    S3Options,
)


class ReviewConfig(S3Options):
    """Serve the page on which people decide what is not sure.

    It runs until Ctrl-C, and prints its address. With export it writes the decisions that stand to Parquet.
    """

    examples = ("--run run-1", "--run run-1 --host 0.0.0.0 --port 8765 --index index", "export --run run-1")

    action: Literal["serve", "export"] = Field(
        default="serve",
        description="serve: until Ctrl-C. export: write the decisions that stand to RUN/decisions, or to --out.",
        json_schema_extra={"argument": True},
    )
    run: str = Field(description="The run directory.")
    host: str = Field(default="127.0.0.1", description="Where to listen; any place but this machine needs --token.")
    port: int = Field(default=8765, ge=0, le=65535, description="Port to listen on; 0: a free one.")
    token: str | None = Field(
        default=None,
        min_length=12,
        description="What reviewers must know to get in; better given as TAGGER_REVIEW_TOKEN than on a command line.",
    )
    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^/]+/?$",
        description="Address under which a proxy shows the page, such as https://review.shop.example; needs --token.",
    )
    reviewer: str | None = Field(default=None, description="Your name in the log; by default your user name.")
    database: str | None = Field(
        default=None,
        description="Where decisions are kept: an SQLite file, or postgresql://USER@HOST/NAME; by default "
        "RUN/review.sqlite. TAGGER_REVIEW_DATABASE does the same.",
    )
    manifest: str | None = Field(default=None, description="The manifest that was tagged, where it has moved since.")
    images: str | None = Field(default=None, description="The image store that was tagged, where it has moved since.")
    model: str | None = Field(default=None, description="The bundle that tagged, where it has moved since.")
    index: str | None = Field(
        default=None, description="Index (tagger index) of items whose look-alikes stand beside each item."
    )
    duplicates: str | None = Field(
        default=None,
        description="What tagger duplicates wrote: items that show one picture are decided at once; by default, those "
        "with the same image file are.",
    )
    out: str | None = Field(default=None, description="With export: the folder to write to; new or empty.")


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
    column: dict[Literal["id", "masterCategory", "articleType"], str] = Field(
        default={}, description="id=sku: what a column is called in the CSV, as the PIM has it."
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
        named = [column.get(name, name) for name in ("id", "masterCategory", "articleType")]
        if not all(name.strip() for name in named):
            raise ValueError("a column must have a name")
        if len(set(named)) < len(named):
            raise ValueError(f"two columns would have one name: {', '.join(named)}")
        return column
