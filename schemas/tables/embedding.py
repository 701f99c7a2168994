"""The vector and the layout of one image; a run with `embeddings` writes them for every tagged item."""

import pyarrow as pa

from tagger.schemas.arrow import field

_NUMBERS = pa.list_(pa.field("element", pa.float16(), nullable=False))

EMBEDDING = pa.schema(
    [
        field("id", pa.string(), "The item's id, as in the manifest.", nullable=False),
        field("imageDigest", pa.string(), "SHA-256 of the image file's bytes, in hexadecimal.", nullable=False),
        field("modelId", pa.string(), "The bundle that made the vector; only vectors of one compare.", nullable=False),
        field(
            "layout",
            _NUMBERS,
            "The lowest frequencies of the image's brightness (12 × 12) and of its two colours (6 × 6 each), which "
            "copies of it have in common; in grey levels.",
            nullable=False,
        ),
        field(
            "vector",
            _NUMBERS,
            "The image as the model sees it, of length 1, so that the sum of products of two is their cosine.",
            nullable=False,
        ),
    ]
)
