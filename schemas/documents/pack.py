"""`_pack.json`: what a folder of packed images was made of, and its counts."""

from pydantic import Field

from tagger.schemas.documents.run import RunPart

PACK_RECORD = "_pack.json"
"""Its name; readers of the folder skip names with an underscore."""


class ShardCounts(RunPart):
    """Counts of one file of packed images, or of all."""

    items: int = Field(default=0, description="Items that were looked at.")
    items_failed: int = Field(default=0, description="Of these, items without an image that could be read.")
    images: int = Field(default=0, description="Packed images.")
    image_bytes: int = Field(default=0, description="Bytes of the packed images.")
    failed: dict[str, int] = Field(default={}, description="Images that could not be read, by error code.")


class PackCounts(ShardCounts):
    """Counts of all rows: rows = items + further + rejects."""

    rows: int = Field(default=0, description="Rows of the manifest, or images in the folder.")
    further: int = Field(default=0, description="Rows of items after the first of each (--item-column).")
    rejects: int = 0
    reject_reasons: dict[str, int] = Field(default={}, description="Rejected rows by reason.")
    shards: int = Field(default=0, description="Files.")


class PackRecord(RunPart):
    """What a folder of packed images was made of, and its counts once it is complete."""

    inputs: dict[str, str] = Field(description="What decides which images lie in which file, by name, as JSON.")
    counts: PackCounts | None = Field(default=None, description="Null until all images are packed.")
