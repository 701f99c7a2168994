"""Predicts one uploaded image as the tag job would."""

import base64
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tagger.errors import ImageError
from tagger.io.location import Location
from tagger.models.bundle import Bundle
from tagger.review.web.pictures import for_browser, room_to_decode
from tagger.schemas.documents.run import EngineCheck
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.prediction import Decision, ErrorCode, ReviewReason
from tagger.tagging.notebook import Tagger


@dataclass(frozen=True)
class Prediction:
    """The model's prediction for one image."""

    master: str
    master_confidence: float
    article: str
    article_confidence: float
    alternatives: list[dict[str, Any]]
    blurry: bool
    blur_score: float
    unfamiliar: bool
    """Whether it is too far from all that the model has learnt."""
    decision: str
    image: str
    """The image as a data: address."""


class Trial:
    """Predicts one image after another; the model is loaded with the first.

    Args:
        bundle: The model.
        folder: Of the bundle.
        engine: The run's engine, so that the same image gets the same confidences; None where no record has one.
        accept_above: Thresholds of the run that replace the bundle's.
        max_pixels: Largest image.
    """

    def __init__(
        self,
        bundle: Bundle,
        folder: Location,
        engine: EngineCheck | None,
        accept_above: Mapping[Level, float],
        max_pixels: int,
    ) -> None:
        self._tagger = Tagger(bundle, engine or "auto", accept_above=accept_above, folder=folder)
        self._blur_threshold = bundle.card.blur_threshold
        self._max_pixels = max_pixels
        self._lock = threading.Lock()

    def of(self, data: bytes) -> Prediction:
        """Predict an image file.

        Raises:
            ImageError: when it is none, or too large.
            BusyError: when others wait for their predictions already.
            TaggerError: when no engine can run here.
        """
        picture = for_browser(data, self._max_pixels)
        with room_to_decode(data), self._lock:
            row = self._tagger.tag([data]).iloc[0]
        if row["decision"] == Decision.FAILED:
            raise ImageError(ErrorCode(row["errorCode"]), row["errorMessage"])
        shown = base64.b64encode(picture.data).decode()
        return Prediction(
            row["masterCategory"],
            float(row["masterCategoryConfidence"]),
            row["articleType"],
            float(row["articleTypeConfidence"]),
            list(row["alternatives"]),
            bool(row["blurScore"] < self._blur_threshold),
            float(row["blurScore"]),
            ReviewReason.UNFAMILIAR in row["reviewReasons"],
            row["decision"],
            f"data:{picture.media_type};base64,{shown}",
        )
