"""Images in the shards of `tagger pack`, and the images that it could not pack."""

import pyarrow as pa

from tagger.schemas.arrow import field
from tagger.schemas.tables.prediction import ErrorCode

IMAGE_NUMBER = "imageNumber"

PACKED_IMAGE = pa.schema(
    [
        field(
            "id", pa.string(), "The item's id: as in the manifest, or the file's name without suffix.", nullable=False
        ),
        field(
            IMAGE_NUMBER,
            pa.int32(),
            "1 for the item's first image, 2 for its second. Numbers of images that could not be read are missing.",
            nullable=False,
        ),
        field("imageUri", pa.string(), "Where the image was read.", nullable=False),
        field("image", pa.binary(), "The file's bytes, as they were.", nullable=False),
    ]
)

FAILED_IMAGE = pa.schema(
    [
        field("id", pa.string(), "The item's id.", nullable=False),
        PACKED_IMAGE.field(IMAGE_NUMBER),
        field("imageUri", pa.string(), "Where the image was looked for; null where the row names none."),
        field("errorCode", pa.string(), f"One of {', '.join(ErrorCode)}.", nullable=False),
        field("errorMessage", pa.string(), "The reason in words.", nullable=False),
    ]
)
