"""A manifest row, and a row that could not be read."""

from enum import StrEnum

import pyarrow as pa

from tagger.schemas.arrow import field


class Role(StrEnum):
    """What a manifest column is for; every other column passes through untouched."""

    ID = "id"
    MASTER_CATEGORY = "masterCategory"
    ARTICLE_TYPE = "articleType"
    IMAGE_URI = "imageUri"
    IMAGE = "image"


class RejectReason(StrEnum):
    """Why a manifest row was rejected."""

    BLANK_ID = "blank_id"
    DUPLICATE_ID = "duplicate_id"
    NUL_BYTE = "nul_byte"
    FIELD_TOO_LONG = "field_too_long"
    TOO_FEW_FIELDS = "too_few_fields"
    TOO_MANY_FIELDS = "too_many_fields"
    BAD_QUOTING = "bad_quoting"
    UNDECODABLE = "undecodable"
    BROKEN_JSON = "broken_json"
    BAD_ID = "bad_id"


class Repair(StrEnum):
    """How a row was repaired so that it could be read reliably."""

    EXTRA_FIELDS_JOINED = "extra_fields_joined"
    EMPTY_FIELDS_DROPPED = "empty_fields_dropped"
    STRAY_QUOTE = "stray_quote"
    SPACE_BEFORE_QUOTE = "space_before_quote"
    BACKSLASH_QUOTE = "backslash_quote"


ITEM = pa.schema(
    [
        field("id", pa.string(), "The item's id, as in the manifest.", nullable=False),
        field("row", pa.int64(), "1-based number of the row among all rows read from the manifest.", nullable=False),
        field("masterCategory", pa.string(), "The label where it is known."),
        field("articleType", pa.string(), "The label where it is known."),
        field("imageRef", pa.string(), "Where the image store finds the image; null where the row names none."),
        field(
            "furtherImageRefs",
            pa.list_(pa.string()),
            "The item's images after the first, in the manifest's order; null where it has no more than one.",
        ),
        field(
            "knownDigest",
            pa.string(),
            "Digest of the image that an earlier run tagged with this model; null for an item with several.",
        ),
    ]
)

REJECT = pa.schema(
    [
        field("file", pa.string(), "The manifest file.", nullable=False),
        field(
            "line",
            pa.int64(),
            "1-based line (CSV, JSON Lines) or row (Parquet, XLSX) at which the row begins.",
            nullable=False,
        ),
        field("reason", pa.string(), f"One of {', '.join(RejectReason)}.", nullable=False),
        field("message", pa.string(), "The reason in words.", nullable=False),
        field("text", pa.string(), "The row as it stands in the file, at most 2,000 characters."),
    ]
)
