"""The config of `tagger pack`."""

from pydantic import Field, model_validator

from tagger.schemas.configs.options import CatalogOptions
from tagger.schemas.values import ShareOrCount


class PackConfig(CatalogOptions):
    """Pack many small images into a few large Parquet files.

    The bytes stay as they are. Every command reads the files with --images OUT, in large sequential requests. The same
    command resumes an interrupted one.
    """

    examples = (
        "--images s3://shop/photos/ --out s3://shop/packed",
        "--manifest styles.csv --images images/ --out packed",
        "--manifest items.csv --images column:photos --allow-http --out packed",
    )

    manifest: str = Field(
        default="",
        description="The items to pack, in this order. Without it, all images directly in the folder or prefix of "
        "--images, by name; their ids are the names without suffix.",
    )
    out: str = Field(description="Folder of the files, local or s3://. The same command continues what it began.")
    shard_mb: int = Field(
        default=128, ge=1, le=1024, description="Size of a file, in millions of bytes; the last one is smaller."
    )
    max_failed: ShareOrCount = Field(
        default="5%", description="More images that cannot be read than this, 100 or 5%, exit with 4."
    )
    max_rejected: ShareOrCount = Field(
        default="5%", description="More rejected rows of the manifest than this, 100 or 5%, exit with 4."
    )

    @model_validator(mode="after")
    def _check(self) -> "PackConfig":
        if not self.manifest and self.images is None:
            raise ValueError("say which images to pack: images, or a manifest that names them")
        return self
