"""The config of `tagger evaluate`."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from tagger.schemas.configs.options import (
    FetchOptions,
    ManifestFormat,
)
from tagger.schemas.values import (
    SplitName,
)


class EvaluateConfig(ManifestFormat, FetchOptions):
    """Compare a run with known labels, or with another run.

    Items that the run's bundle was trained on do not count, unless that is asked for.
    """

    examples = (
        "--run run-1 --manifest styles.csv --out evaluation",
        "--run run-2 --manifest styles.csv --against run-1 --out evaluation-2",
    )
    synonyms: ClassVar[Mapping[str, str]] = {"labels": "manifest"}

    run: str = Field(description="The run directory.")
    manifest: str = Field(description="Labelled manifest: a file, a folder or a glob, local or s3://.")
    out: str = Field(description="Folder of the report.")
    model: str | None = Field(
        default=None,
        description="The bundle that made the run, which says what it knows and was trained on; by default where the "
        "run says that it lay.",
    )
    split: SplitName | None = Field(default=None, description="Only the items on this side of the bundle's split.")
    include_trained: bool = Field(
        default=False, description="Count the items that the bundle was trained on, too; they flatter it."
    )
    merge: dict[str, str] = Field(default={}, description="FROM=TO: count one master category as another.")
    against: str | None = Field(
        default=None, description="Another run, or a bundle for its test items, to compare with side by side."
    )
    images: str | None = Field(
        default=None, description="Image store of the labelled manifest, as for the tag job: for pictures of mistakes."
    )
    images_root: str | None = Field(default=None, description="Folder that image URIs of the manifest may not leave.")
    time_by: str = Field(default="year", description="Column of years or ISO dates, for the report where there is one.")
