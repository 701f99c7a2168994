"""The config of `tagger suppliers`."""

from typing import ClassVar, Literal

from pydantic import Field

from tagger.schemas.configs.options import DATABASE_DESCRIPTION, ManifestFormat


class SuppliersConfig(ManifestFormat):
    """Score what suppliers, brands or seasons deliver.

    Pictures that are missing, broken, blurry or shared, wrong labels, and the review that they cause, with a page for
    each that can be sent to it.
    """

    examples: ClassVar[tuple[str, ...]] = (
        "runs/ --by supplier --out suppliers",
        "runs/ --by brand --out brands --period week --manifest delivered/",
    )

    run: list[str] = Field(min_length=1, description="Runs, or folders of runs.", json_schema_extra={"argument": True})
    by: str = Field(min_length=1, description="Column of the manifest, such as supplier, brand or season.")
    out: str = Field(description="Folder for the pages and tables.")
    manifest: str | None = Field(
        default=None,
        description="The table with that column, and with the labels as they were delivered; by default those of the "
        "runs, as they are now.",
    )
    period: Literal["day", "week", "month"] = Field(default="month", description="Of the trend.")
    pages: int = Field(default=100, ge=0, description="Most pages to send, of those first that have most to mend.")
    pictures: bool = Field(default=True, description="Show pictures on the pages.")
    database: str | None = Field(default=None, description=DATABASE_DESCRIPTION)
