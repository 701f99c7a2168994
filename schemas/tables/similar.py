"""One item that is similar to another: the output of tagger similar."""

import pyarrow as pa

from tagger.schemas.arrow import field

SIMILAR = pa.schema(
    [
        field("id", pa.string(), "The item or image that was asked for.", nullable=False),
        field("rank", pa.int32(), "1 for the most similar.", nullable=False),
        field("similarId", pa.string(), "The item that looks like it.", nullable=False),
        field("cosine", pa.float32(), "Of the two image vectors; 1 for the same image.", nullable=False),
        field("masterCategory", pa.string(), "That of the similar item: its label, or what was predicted."),
        field("articleType", pa.string(), "That of the similar item: its label, or what was predicted."),
        field("labelled", pa.bool_(), "Whether those are labels.", nullable=False),
        field("imageUri", pa.string(), "Where the similar item's image was looked for."),
    ]
)
