"""One finding of tagger audit: an item with a label that is likely wrong, or that hardly belongs in the catalogue."""

import pyarrow as pa

from tagger.schemas.arrow import field
from tagger.schemas.tables.prediction import ReviewReason

FINDINGS_FILE = "findings.parquet"
"""Name of the file in an audit's folder."""

FINDING_REASONS = (
    ReviewReason.LABEL_ERROR,
    ReviewReason.IMAGE_DISAGREES,
    ReviewReason.TITLE_DISAGREES,
    ReviewReason.TAXONOMY_CONFLICT,
    ReviewReason.DUPLICATE_CONFLICT,
    ReviewReason.OUTLIER,
)

FINDING = pa.schema(
    [
        field("rank", pa.int64(), "1 is the label most likely wrong.", nullable=False),
        field("id", pa.string(), "The item's id.", nullable=False),
        field("imageUri", pa.string(), "Where its image was looked for."),
        field(
            "imageDigest",
            pa.string(),
            "SHA-256 of the image file's bytes, in hexadecimal; null where it cannot be read.",
        ),
        field("title", pa.string(), "The item's title, where titles were read."),
        field("masterCategory", pa.string(), "The label, as the catalogue has it.", nullable=False),
        field("articleType", pa.string(), "The label, as the catalogue has it.", nullable=False),
        field("score", pa.float32(), "How likely the label is wrong, 0 to 1.", nullable=False),
        field("reasons", pa.list_(pa.string()), f"Any of {', '.join(FINDING_REASONS)}.", nullable=False),
        field("suggestedMasterCategory", pa.string(), "What it would be instead; null where nothing is suggested."),
        field("suggestedArticleType", pa.string(), "What it would be instead; null where nothing is suggested."),
        field("suggestionConfidence", pa.float32(), "Probability of that, by image and title, 0 to 1."),
        field("imageSays", pa.string(), "The most probable article type by the image alone; null where not judged."),
        field("titleSays", pa.string(), "The most probable article type by the title alone; null where not judged."),
        field(
            "distance", pa.float32(), "Mean distance (1 - cosine) to the ten most similar images; null with --denied."
        ),
    ]
)
