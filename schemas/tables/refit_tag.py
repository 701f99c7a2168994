"""One tag that a refit to a review's answers was sure enough of, for an item that waited for a person."""

import pyarrow as pa

from tagger.schemas.arrow import field

REFIT_TAG = pa.schema(
    [
        field("id", pa.string(), "The item's id, as in the manifest.", nullable=False),
        field("runId", pa.string(), "The run that was reviewed.", nullable=False),
        field(
            "masterCategory",
            pa.string(),
            "The tag, by both witnesses: the model and the refitted head.",
            nullable=False,
        ),
        field("masterCategoryConfidence", pa.float32(), "Of the head that is least sure; 0 to 1.", nullable=False),
        field("articleType", pa.string(), "The tag, by the same.", nullable=False),
        field("articleTypeConfidence", pa.float32(), "Of the head that is least sure; 0 to 1.", nullable=False),
        field("refit", pa.int32(), "Number of the refit, from 1 in each review.", nullable=False),
        field("checked", pa.bool_(), "Whether a person is asked all the same.", nullable=False),
        field("madeAt", pa.timestamp("us", tz="UTC"), "When that was.", nullable=False),
    ]
)
