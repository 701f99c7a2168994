"""Items that show one picture: the output of tagger duplicates, and what people say about it in a review."""

from enum import StrEnum

import pyarrow as pa

from tagger.schemas.arrow import field


class Sameness(StrEnum):
    """How an item's image relates to that of its group's representative."""

    REPRESENTATIVE = "representative"
    EXACT = "exact"
    NEAR = "near"
    MIRRORED = "mirrored"
    CONNECTED = "connected"


DUPLICATE = pa.schema(
    [
        field("group", pa.int64(), "Items of one group show one picture; the largest come first.", nullable=False),
        field("id", pa.string(), "The item's id.", nullable=False),
        field("sameness", pa.string(), f"One of {', '.join(Sameness)} (through others).", nullable=False),
        field("imageDigest", pa.string(), "SHA-256 of the image file's bytes, in hexadecimal.", nullable=False),
        field("imageUri", pa.string(), "Where its image was looked for."),
        field("masterCategory", pa.string(), "The label where the manifest has one, else the prediction."),
        field("articleType", pa.string(), "The label where the manifest has one, else the prediction."),
        field("labelled", pa.bool_(), "Whether those are labels.", nullable=False),
        field("conflict", pa.bool_(), "Whether items of the group have different labels.", nullable=False),
    ]
)

DUPLICATE_PAIR = pa.schema(
    [
        field("first", pa.string(), "The id of one item.", nullable=False),
        field("second", pa.string(), "The id of another item, with another image file.", nullable=False),
        field("distance", pa.float32(), "Of the two layouts, as a share of their contrast.", nullable=False),
        field("mirrored", pa.bool_(), "Whether one was compared with the mirror image of the other.", nullable=False),
        field("structure", pa.float32(), "Likeness of what is on them, 1 for all; null where one could not be read."),
        field("colour", pa.float32(), "Difference in colour, 0 to 255; null where one could not be read."),
        field("same", pa.bool_(), "Whether they count as one picture.", nullable=False),
        field("judged", pa.bool_(), "Whether they are one picture to the person who judged them; null without one."),
    ]
)

DUPLICATE_ANSWER = pa.schema(
    [
        field("id", pa.string(), "The item's id.", nullable=False),
        field("group", pa.int64(), "Its group in the output of tagger duplicates.", nullable=False),
        field(
            "samePicture",
            pa.bool_(),
            "Whether it shows the group's picture to the person who answered. CSV and XLSX say yes or no.",
            nullable=False,
        ),
        field("decidedBy", pa.string(), "Who answered.", nullable=False),
        field("decidedAt", pa.timestamp("us", tz="UTC"), "When that was answered.", nullable=False),
    ]
)
