"""One prediction of a run; there is one for every row that it could read and did not skip."""

from enum import StrEnum

import pyarrow as pa

from tagger.schemas.arrow import field


class Decision(StrEnum):
    """What the policy decided about one item."""

    ACCEPT = "accept"
    ACCEPT_MASTER_ONLY = "accept_master_only"
    REVIEW = "review"
    FAILED = "failed"


class ReviewReason(StrEnum):
    """Why an item goes to review."""

    LOW_CONFIDENCE = "low_confidence"
    BLURRY_IMAGE = "blurry_image"
    TAXONOMY_CONFLICT = "taxonomy_conflict"
    QA_SAMPLE = "qa_sample"
    LABEL_ERROR = "label_error"
    IMAGE_DISAGREES = "image_disagrees"
    TITLE_DISAGREES = "title_disagrees"
    DUPLICATE_CONFLICT = "duplicate_conflict"
    OUTLIER = "outlier"
    NO_IMAGE = "no_image"
    MODELS_DISAGREE = "models_disagree"
    PROPOSED = "proposed"
    UNFAMILIAR = "unfamiliar"


class Evidence(StrEnum):
    """What a prediction is based on."""

    IMAGE = "image"
    IMAGE_AND_TITLE = "image+title"
    IMAGE_AND_COLUMNS = "image+columns"
    IMAGE_TITLE_AND_COLUMNS = "image+title+columns"
    TITLE = "title"
    TITLE_AND_COLUMNS = "title+columns"

    @property
    def witnesses(self) -> tuple[str, ...]:
        """Any of `image`, `title` and `columns`, in this order."""
        return tuple(self.value.split("+"))

    @property
    def code(self) -> int:
        """Its index in the order of declaration."""
        return list(Evidence).index(self)


class ErrorCode(StrEnum):
    """Why an item's image could not be tagged."""

    NO_IMAGE = "no_image"
    NOT_FOUND = "not_found"
    ACCESS_DENIED = "access_denied"
    OUTSIDE_STORE = "outside_store"
    UNSUPPORTED_URI = "unsupported_uri"
    STORE_ERROR = "store_error"
    EMPTY_FILE = "empty_file"
    NOT_AN_IMAGE = "not_an_image"
    TRUNCATED = "truncated"
    CORRUPT = "corrupt"
    TOO_LARGE = "too_large"
    TOO_MANY_PIXELS = "too_many_pixels"
    CRASHED = "crashed"
    NOT_FINITE = "not_finite"


ALTERNATIVES = 5

ALTERNATIVE = pa.struct(
    [
        pa.field("masterCategory", pa.string(), nullable=False),
        pa.field("articleType", pa.string(), nullable=False),
        pa.field("confidence", pa.float32(), nullable=False),
    ]
)

IMAGE = pa.struct(
    [
        pa.field("imageUri", pa.string(), nullable=False),
        pa.field("imageDigest", pa.string()),
        pa.field("articleType", pa.string()),
        pa.field("articleTypeConfidence", pa.float32()),
        pa.field("errorCode", pa.string()),
    ]
)

ATTRIBUTE = pa.struct(
    [
        pa.field("name", pa.string(), nullable=False),
        pa.field("value", pa.string(), nullable=False),
        pa.field("confidence", pa.float32(), nullable=False),
        pa.field("decision", pa.string(), nullable=False),
        pa.field("evidence", pa.string()),
    ]
)

PREDICTION = pa.schema(
    [
        field("id", pa.string(), "The item's id, as in the manifest.", nullable=False),
        field(
            "imageUri",
            pa.string(),
            "Where the image was looked for; null where the row names none. Of an item with several, the one that is "
            "surest of articleType.",
        ),
        field(
            "imageDigest", pa.string(), "SHA-256 of the image file's bytes, in hexadecimal; null where none was read."
        ),
        field(
            "imageEtag",
            pa.string(),
            "For images from S3 or over http, the ETag that came with these bytes; null where there was none.",
        ),
        field("masterCategory", pa.string(), "The predicted master category; null when failed."),
        field("masterCategoryConfidence", pa.float32(), "Calibrated probability of masterCategory, 0 to 1."),
        field("articleType", pa.string(), "The predicted article type; null when failed."),
        field("articleTypeConfidence", pa.float32(), "Calibrated probability of articleType, 0 to 1."),
        field(
            "alternatives",
            pa.list_(ALTERNATIVE),
            f"The {ALTERNATIVES} most probable (masterCategory, articleType) pairs, most probable first.",
        ),
        field("decision", pa.string(), f"One of {', '.join(Decision)}.", nullable=False),
        field("reviewReasons", pa.list_(pa.string()), f"Any of {', '.join(ReviewReason)}.", nullable=False),
        field(
            "blurScore", pa.float32(), "Variance of the Laplacian of the grey image at model size; lower is blurrier."
        ),
        field(
            "evidenceDigest",
            pa.string(),
            "First 16 hexadecimal digits of the SHA-256 of the title and the columns that were asked, too; null where "
            "none was.",
        ),
        field(
            "evidence",
            pa.string(),
            f"What the prediction is based on, one of {', '.join(Evidence)}; null when failed.",
        ),
        field(
            "imageArticleType",
            pa.string(),
            "What the image, or all of several, says without title and columns; null where none can be used.",
        ),
        field("imageArticleTypeConfidence", pa.float32(), "Its calibrated probability, 0 to 1."),
        field(
            "titleArticleType",
            pa.string(),
            "What the title says by itself; null where none was asked, or it has no known word.",
        ),
        field("titleArticleTypeConfidence", pa.float32(), "Its calibrated probability, 0 to 1."),
        field(
            "images",
            pa.list_(IMAGE),
            "Of an item with several images, each in the manifest's order, with what it says by itself or why it "
            "cannot be used; null where there is one, or none.",
        ),
        field(
            "attributes",
            pa.list_(ATTRIBUTE),
            "Further tags, such as gender: name, value, calibrated confidence, decision, "
            f"{Decision.ACCEPT} or {Decision.REVIEW}, and evidence, what it is based on; null where the bundle knows "
            "none, or the item failed.",
        ),
        field(
            "brightness",
            pa.float32(),
            "Mean of the grey image at model size, 0 (black) to 255 (white); null in older runs.",
        ),
        field("imageWidth", pa.int32(), "Width of the image file in pixels; null in older runs."),
        field("imageHeight", pa.int32(), "Height of the image file in pixels; null in older runs."),
        field(
            "familiarity",
            pa.float32(),
            "Share of held-out items of the learnt types whose images are as far out as this one, 0 to 1; low is "
            "unfamiliar, 0 where nothing is to be seen; null in older runs and of older bundles.",
        ),
        field(
            "errorCode",
            pa.string(),
            f"Why the image, or the first of several unusable ones, cannot be used, one of {', '.join(ErrorCode)}; the "
            "item is failed, or tagged without it.",
        ),
        field("errorMessage", pa.string(), "The same in words."),
        field("modelId", pa.string(), "The bundle that made the prediction.", nullable=False),
        field("runId", pa.string(), "The run that made the prediction.", nullable=False),
        field(
            "taggedAt", pa.timestamp("us", tz="UTC"), "When the prediction was made, or decided again.", nullable=False
        ),
    ]
)
