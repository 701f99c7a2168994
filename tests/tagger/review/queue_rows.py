"""Items that the tests of the review's store put into its queue."""

from tagger.review.store.records import Change
from tagger.schemas.tables.decision import Verdict

ITEMS = 40
LEAF_PAIRS = [("Accessories", "Watches"), ("Apparel", "Shirts")]


def row(position: int) -> dict[str, object]:
    article = "Shirts" if position % 2 else "Watches"
    master = "Apparel" if position % 2 else "Accessories"
    return {
        "position": position,
        "id": f"item/{position}",
        "image_ref": f"{position}.jpg",
        "master": master,
        "master_confidence": 0.9,
        "article": article,
        "article_confidence": position / 100,
        "alternatives": [{"masterCategory": master, "articleType": article, "confidence": 0.4}],
        "reasons": ["low_confidence", "blurry_image"] if position % 5 == 0 else ["low_confidence"],
        "blur_score": 10.0,
        "known_master": None,
        "known_article": None,
        "title": f"Title {position}",
        "picture": None,
        "columns": {"gender": "Men"},
        "attributes": [{"name": "gender", "value": "Men", "confidence": 0.5, "decision": "review"}],
        "images": [image(f"{position}.jpg", article), {**image("gone.jpg", None), "errorCode": "not_found"}],
        "evidence": [{"witness": "image", "articleType": article, "confidence": 0.3}],
    }


def image(ref: str, article: str | None) -> dict[str, object]:
    """What one of several images says."""
    confidence = 0.3 if article else None
    return {"imageUri": ref, "articleType": article, "articleTypeConfidence": confidence, "errorCode": None}


def accepted(position: int, expected: int | None = None) -> Change:
    return Change(position, Verdict.ACCEPTED, "Apparel", "Shirts", expected)
