"""One review decision about one item; no job replaces it."""

from enum import StrEnum

import pyarrow as pa

from tagger.schemas.arrow import field


class Verdict(StrEnum):
    """The answer of a review decision."""

    ACCEPTED = "accepted"
    CORRECTED = "corrected"
    MASTER_ONLY = "master_only"
    UNUSABLE = "unusable"


DECIDED_ATTRIBUTE = pa.struct(
    [
        pa.field("name", pa.string(), nullable=False),
        pa.field("value", pa.string()),
    ]
)

DECISION = pa.schema(
    [
        field("id", pa.string(), "The item's id.", nullable=False),
        field("runId", pa.string(), "The run whose prediction was looked at."),
        field("beforeMasterCategory", pa.string(), "What the model had predicted; in an audit, the label."),
        field("beforeArticleType", pa.string(), "What the model had predicted; in an audit, the label."),
        field("verdict", pa.string(), f"One of {', '.join(Verdict)}.", nullable=False),
        field("masterCategory", pa.string(), "What the person decided; null for an unusable image."),
        field("articleType", pa.string(), "What the person decided; null where the master category alone was."),
        field(
            "attributes",
            pa.list_(DECIDED_ATTRIBUTE),
            "The further tags that the person set, by name; a null value for one that the item does not have. Those "
            "that are not named stay the model's. Null where the person set none.",
        ),
        field("decidedBy", pa.string(), "Who decided.", nullable=False),
        field("decidedAt", pa.timestamp("us", tz="UTC"), "When that was decided.", nullable=False),
    ]
)
