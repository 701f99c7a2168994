"""The configs of `tagger export`, `tagger rollback` and `tagger explain`."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from tagger.schemas.configs.options import DATABASE_DESCRIPTION, S3Options
from tagger.schemas.documents.target import FileFormat
from tagger.schemas.values import ShareOrCount

TargetName = Literal["akeneo", "akeneo-api", "shopify-csv", "shopify-bulk", "woocommerce", "magento", "google", "table"]
Overwrite = Literal["none", "decided", "all"]


class ExportConfig(S3Options):
    """Write import files of a PIM or a shop, with an undo.

    It reads the PIM's own export first, says what would change, and writes nothing else. Values that no export of
    tagger wrote stay as they are.
    """

    examples = (
        "run-1 --to akeneo --current products.csv --write-map map.yaml",
        "run-1 --map map.yaml --current products.csv --out akeneo --dry-run",
        "run-1 --map map.yaml --current products.csv --out akeneo",
    )

    run: str = Field(description="The run, or a folder of runs.", json_schema_extra={"argument": True})
    to: TargetName | None = Field(default=None, description="Where the files go; by default what the map says.")
    map: str | None = Field(default=None, description="The map (YAML): which class is what in the PIM.")
    current: list[str] = Field(
        default=[], description="The PIM's own export of its products, in the target's format or as XLSX or CSV."
    )
    out: str | None = Field(default=None, description="Folder of the files; new, empty, or with a dry run alone.")
    write_map: str | None = Field(
        default=None, description="Draft a map into this new file, and end: a person checks it before it is used."
    )
    taxonomy: list[str] = Field(
        default=[],
        description="What the PIM knows: its export of options or categories, or a market's file of categories. "
        "Values that are not there are refused.",
    )
    by: str | None = Field(
        default=None,
        description="With --write-map: a further tag, or a column of --current, such as gender, where one class is "
        "several categories.",
    )
    format: FileFormat | None = Field(default=None, description="Form of the files, where the target takes several.")
    write_as: Literal["change", "proposal"] = Field(
        default="change",
        description="change: values are set. proposal: they go to a PIM's proposals, or to columns of their own.",
    )
    dry_run: bool = Field(default=False, description="Say what would change, and write nothing but that.")
    overwrite: Overwrite = Field(
        default="none",
        description="Which values of the PIM that no export wrote are replaced: none; decided: those that a person "
        "decided otherwise in the review; or all.",
    )
    max_changes: ShareOrCount = Field(
        default="5%",
        description="Most values that may be replaced, as a share of those that the PIM has or as a number; above it "
        "nothing is written. Filling an empty one replaces nothing.",
    )
    earlier: list[str] = Field(
        default=[],
        description="Further runs, or folders of runs: what their exports wrote may be replaced, too.",
    )
    proposal: str | None = Field(
        default=None,
        description="What tagger propose wrote: changes whose move is not accepted are left out.",
    )
    create: bool = Field(
        default=False,
        description="Akeneo: write options and categories that --taxonomy does not have, to be imported first.",
    )
    pictures: bool = Field(default=True, description="Show pictures in the report.")
    no_value: list[str] = Field(
        default=[], description="What else a tag says that is none, such as k.A.; it is not written."
    )
    database: str | None = Field(default=None, description=DATABASE_DESCRIPTION)

    synonyms: ClassVar[Mapping[str, str]] = {"as": "write_as"}

    @field_validator("current", "taxonomy", "earlier", "no_value", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_thing(self) -> "ExportConfig":
        if self.write_map is not None:
            if self.to is None:
                raise ValueError("a map is drafted for a target: name it with --to")
            return self
        if self.map is None:
            raise ValueError("--map is missing; --write-map MAP.yaml drafts one")
        if self.out is None:
            raise ValueError("--out is missing")
        return self


class RollbackConfig(S3Options):
    """Take a run's values back, in the PIM, too.

    With the PIM's own export as it is now, it writes import files that restore what the run's exports replaced. What
    somebody has changed since stays as it is. From then on the run's predictions no longer count; what people decided
    does.
    """

    examples = ("run-1 --current products.csv --out undo", "nights/monday --current products.csv --out undo --keep-run")

    run: str = Field(description="The run.", json_schema_extra={"argument": True})
    current: list[str] = Field(default=[], description="The PIM's own export, as it is now.")
    to: TargetName | None = Field(default=None, description="Which target, where the run was exported to several.")
    out: str | None = Field(default=None, description="Folder of the files; new or empty.")
    format: FileFormat | None = Field(default=None, description="Form of the files, where the target takes several.")
    keep_run: bool = Field(default=False, description="Undo the exports alone: the run's predictions go on counting.")
    dry_run: bool = Field(default=False, description="Say what would be restored, and write nothing.")

    @field_validator("current", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _a_place_for_files(self) -> "RollbackConfig":
        if self.current and self.out is None and not self.dry_run:
            raise ValueError("--out is missing: the folder of the files that restore the PIM")
        if self.keep_run and not self.current:
            raise ValueError("with --keep-run nothing but the PIM is restored: give its own export as --current")
        return self


class ExplainConfig(S3Options):
    """Tell what happened to an item, from prediction to undo.

    Each with the confidence, the threshold or the person that was behind it, in order.
    """

    examples = ("nights/ --id 00101", "run-1 --id 00101 --json")

    run: str = Field(description="The run, or a folder of runs.", json_schema_extra={"argument": True})
    id: list[str] = Field(min_length=1, description="Ids of items.")
    database: str | None = Field(default=None, description=DATABASE_DESCRIPTION)

    @field_validator("id", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value
