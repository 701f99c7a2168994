"""One item's final tags: what goes to the PIM system once people have decided what the model was not sure of."""

from enum import StrEnum

import pyarrow as pa

from tagger.schemas.arrow import field


class TagState(StrEnum):
    """How far an item's tags are."""

    COMPLETE = "complete"
    MASTER_ONLY = "master_only"
    WAITING = "waiting"
    UNUSABLE = "unusable"
    FAILED = "failed"


class TagSource(StrEnum):
    """Who said it."""

    MODEL = "model"
    PERSON = "person"


FINAL_TAG = pa.schema(
    [
        field("id", pa.string(), "The item's id, as in the manifest.", nullable=False),
        field("masterCategory", pa.string(), "The tag; null while nobody is sure of it."),
        field("articleType", pa.string(), "The tag; null while nobody is sure of it."),
        field("state", pa.string(), f"One of {', '.join(TagState)}.", nullable=False),
        field("source", pa.string(), f"One of {', '.join(TagSource)}; null where there is no tag."),
        field("masterCategoryConfidence", pa.float32(), "The model's, where the tag is the model's; 0 to 1."),
        field("articleTypeConfidence", pa.float32(), "The model's, where the tag is the model's; 0 to 1."),
        field("decidedBy", pa.string(), "The person, where the tag is a person's."),
        field("decidedAt", pa.timestamp("us", tz="UTC"), "When that was decided."),
        field("modelId", pa.string(), "The bundle that made the prediction.", nullable=False),
        field("runId", pa.string(), "The run that made the prediction.", nullable=False),
    ]
)
