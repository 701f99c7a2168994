"""The description of an export's target: what the files of a PIM system, a shop or a market look like."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Shape = Literal["cell", "numbered", "packed"]
Writing = Literal["replace", "append"]
FormName = Literal["table", "akeneo_api", "shopify_bulk"]
FileFormat = Literal["csv", "xlsx", "jsonl", "parquet"]


class TargetPart(BaseModel):
    """A part of a description: unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Numbered(TargetPart):
    """Columns that come in numbered groups, one group for each attribute; {n} stands for the number."""

    name: str
    value: str
    new: dict[str, str] = Field(default={}, description="Further columns of a new group, with their values.")
    kept: tuple[str, ...] = Field(default=(), description="Columns that a group may have, too, and keeps.")


class RoleForm(TargetPart):
    """How a value of one kind, such as a category, stands in a target's file."""

    headings: tuple[str, ...] = Field(
        description="What its column is called, the usual one first; * stands for a name of the shop's."
    )
    shape: Shape = "cell"
    several: str | None = Field(default=None, description="Separates several values; None: there is one.")
    also_separated_by: str | None = Field(default=None, description="What separates them in the target's own export.")
    space: str = Field(default="", description="Follows the separator.")
    escape: str | None = Field(default=None, description="Goes before a separator that belongs to a value.")
    begins: str | None = Field(default=None, description="How every value begins; what does not goes on with the last.")
    writing: Writing = Field(default="replace", description="append: an import adds values, and takes none away.")
    cannot_hold: str | None = Field(default=None, description="A pattern (re) of what a value cannot have.")
    why: str = Field(default="", description="The same in words.")
    longest: int | None = Field(default=None, description="Most characters of a value.")
    taxonomy: Literal["shopify", "google"] | None = Field(
        default=None, description="The market whose categories the values are, written as `ID : PATH` in a map."
    )
    writes: Literal["id", "address"] = Field(default="id", description="What of a category of a taxonomy is written.")
    level: str | None = Field(default=None, description="Separates the levels of a path, with or without spaces.")
    roots: int | None = Field(
        default=None, description="Of paths: levels above the shop's own first one; below it, siblings are of one kind."
    )
    creates: bool = Field(default=False, description="An import creates a value that it does not know.")
    erase: str = Field(default="", description="What a cell says that takes a value away.")
    has_entities: bool = Field(default=False, description="& may stand as &amp; in the target's own export.")
    ignores_case: bool = False
    is_code: bool = Field(default=False, description="Values are codes of a list that the PIM has.")


class UsualField(TargetPart):
    """A field that most shops write."""

    role: str
    of: str = "articleType"


class KeyForm(TargetPart):
    """The column by which an import finds a product."""

    headings: tuple[str, ...]
    ignores_case: bool = False
    several_rows: bool = Field(default=False, description="A product may have several rows, of which the first counts.")


class Target(TargetPart):
    """One target: a file format, and what an import makes of it."""

    title: str
    form: FormName = "table"
    formats: tuple[FileFormat, ...] = ("csv",)
    delimiter: str = ","
    key: KeyForm
    carry: tuple[str, ...] = Field(default=(), description="Columns that each row must have, as --current has them.")
    only_rows_without: str | None = Field(
        default=None, description="A column that marks rows of something else, such as those of a store view."
    )
    packed: str | None = Field(default=None, description="A column of CODE=VALUE pairs in the target's own export.")
    numbered: Numbered | None = None
    roles: dict[str, RoleForm]
    usual: dict[str, UsualField] = Field(description="What a drafted map has, by heading.")
    is_whole: bool = Field(
        default=False, description="A new file takes the place of the last one, so that it needs all rows."
    )
    most_bytes: int | None = None
    most_rows: int | None = None
    longest_line: int | None = Field(default=None, description="Most characters of a line.")
    proposals: tuple[str, ...] = Field(
        default=(), description="Roles whose values an import can propose; other values go to columns of proposals."
    )
    how: str = Field(description="How the files are imported.")
    how_proposals: str = ""
