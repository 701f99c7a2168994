"""One item's final tags for the PIM system: review decisions, else accepted predictions."""

from enum import StrEnum

import pyarrow as pa

from tagger.schemas.arrow import field


class TagState(StrEnum):
    """State of an item's final tags."""

    COMPLETE = "complete"
    MASTER_ONLY = "master_only"
    WAITING = "waiting"
    UNUSABLE = "unusable"
    FAILED = "failed"


class TagSource(StrEnum):
    """Source of a final tag."""

    MODEL = "model"
    PERSON = "person"
    REFIT = "refit"
    """The model's, after a refit to a review's answers."""


FINAL_ATTRIBUTE = pa.struct(
    [
        pa.field("name", pa.string(), nullable=False),
        pa.field("value", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("confidence", pa.float32()),
    ]
)

FINAL_TAG = pa.schema(
    [
        field("id", pa.string(), "The item's id, as in the manifest.", nullable=False),
        field("masterCategory", pa.string(), "The tag; null while nobody is sure of it."),
        field("articleType", pa.string(), "The tag; null while nobody is sure of it."),
        field("state", pa.string(), f"One of {', '.join(TagState)}.", nullable=False),
        field("source", pa.string(), f"One of {', '.join(TagSource)}; null where there is no tag."),
        field("masterCategoryConfidence", pa.float32(), "The model's, or the refit's, where the tag is; 0 to 1."),
        field("articleTypeConfidence", pa.float32(), "The model's, or the refit's, where the tag is; 0 to 1."),
        field(
            "attributes",
            pa.list_(FINAL_ATTRIBUTE),
            f"Further tags: name, value, source ({TagSource.MODEL} or {TagSource.PERSON}), and the model's confidence "
            "where it is the model's. Only those that somebody is sure of; empty where nobody is of any.",
            nullable=False,
        ),
        field("decidedBy", pa.string(), "The person, where the tag is a person's."),
        field("decidedAt", pa.timestamp("us", tz="UTC"), "When that was decided."),
        field("modelId", pa.string(), "The bundle that made the prediction.", nullable=False),
        field("runId", pa.string(), "The run that made the prediction.", nullable=False),
    ]
)
