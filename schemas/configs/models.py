"""The config of `tagger models`."""

import re
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from tagger.schemas.configs.options import S3Options

_ONLY_OF = {
    "to": ("add",),
    "alias": ("add", "promote", "rollback"),
    "comparison": ("promote",),
    "margin": ("promote",),
    "without_comparison": ("promote",),
    "note": ("add", "promote", "rollback"),
    "mlflow": ("add", "promote", "rollback"),
}


class ModelsConfig(S3Options):
    """Keep models by name; promote one, take that back.

    `add` copies a bundle as the next version of a name. Versions never change; aliases, such as champion, name one of
    them. Other commands take a name: `--model models/fashion@champion`, or `@v2`.
    """

    examples: ClassVar[tuple[str, ...]] = (
        "list models/",
        "add bundle --to models/fashion --alias challenger",
        "promote models/fashion@v2 --comparison comparison",
        "rollback models/fashion",
    )

    action: Literal["list", "add", "promote", "rollback"] = Field(
        description="What to do.", json_schema_extra={"argument": True}
    )
    model: str = Field(
        description="list: a name, or a folder of names; add: a bundle; promote: NAME@VERSION or NAME@ALIAS; rollback: "
        "a name.",
        json_schema_extra={"argument": True},
    )
    to: str | None = Field(default=None, description="add: the name, a folder, local or s3://.")
    alias: str | None = Field(
        default=None,
        pattern=r"^[a-z][a-z0-9_-]*$",
        description="The alias; add: gives it to the new version, champion only where there is none. Default of "
        "promote and rollback: champion.",
    )
    comparison: str | None = Field(
        default=None,
        description="promote: folder of tagger compare's result about the champion and the new one. It has to show "
        "that the new one is not worse.",
    )
    margin: float = Field(
        default=0.01, ge=0, le=1, description="promote: how much lower the share of right article types may be."
    )
    without_comparison: bool = Field(
        default=False, description="promote: replace the champion without a comparison; --note says why."
    )
    note: str | None = Field(default=None, description="Kept with the version, or with the change.")
    mlflow: str | None = Field(
        default=None,
        description="Address of an MLflow server, which gets the same: the files as artifacts, and the aliases.",
    )

    @model_validator(mode="after")
    def _fits_the_action(self) -> "ModelsConfig":
        for name, actions in _ONLY_OF.items():
            if name in self.model_fields_set and getattr(self, name) is not None and self.action not in actions:
                raise ValueError(f"{name} belongs to {' and '.join(actions)}, not to {self.action}")
        if self.action == "add" and self.to is None:
            raise ValueError("to is missing: add needs the name that the bundle becomes a version of")
        if self.alias and re.fullmatch(r"v\d+", self.alias):
            raise ValueError(f"alias {self.alias} is the name of a version")
        if self.without_comparison and not self.note:
            raise ValueError("note is missing: without a comparison, it has to say why")
        return self
