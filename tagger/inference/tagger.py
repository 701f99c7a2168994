"""The tag job's predictions in a notebook."""

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path

import pandas as pd
import pyarrow as pa

from schemas.config import TagConfig
from schemas.prediction import PREDICTION
from schemas.taxonomy import Level
from tagger.catalog.stores import read_file
from tagger.errors import ImageError
from tagger.inference.predictor import Predictor, Request
from tagger.models.bundle import Bundle
from tagger.models.engines import TorchEngine, pick_device
from tagger.storage import Location

_DEFAULTS = {name: field.default for name, field in TagConfig.model_fields.items()}
_CHUNK = 256


class Tagger:
    """A bundle that is ready to tag: on the same kind of device, the job's predictions to the last digit."""

    def __init__(self, bundle: Bundle, device: str = "auto", accept_above: Mapping[Level, float] | None = None) -> None:
        self.card = bundle.card
        self._max_bytes: int = _DEFAULTS["max_bytes"]
        engine = TorchEngine(
            bundle.classifier(), pick_device(device), _DEFAULTS["batch_size"], bundle.card.inference.flip
        )
        thresholds = {**_DEFAULTS["accept_above"], **(accept_above or {})}
        self._predictor = Predictor(bundle, engine, thresholds, "notebook", _DEFAULTS["max_pixels"])

    @classmethod
    def load(
        cls,
        bundle: str | PathLike[str],
        device: str = "auto",
        accept_above: Mapping[Level, float] | None = None,
        s3_endpoint: str | None = None,
    ) -> "Tagger":
        """Load a bundle from a folder or an `s3://` address.

        Args:
            bundle: Where it is.
            device: `auto`, `cpu` or `cuda`.
            accept_above: Threshold of each level for the decision; the tag job's default where none is given.
            s3_endpoint: Address of an S3 service other than Amazon's.

        Raises:
            UsageError: when nothing is there.
            InputError: when it is not a bundle.
        """
        return cls(Bundle.load(Location(str(bundle), s3_endpoint)), device, accept_above)

    def tag(
        self,
        images: Sequence[bytes | str | PathLike[str]],
        ids: Sequence[str] | None = None,
        known_masters: Sequence[str | None] | None = None,
    ) -> pd.DataFrame:
        """Tag images.

        Args:
            images: Paths, or the bytes of image files.
            ids: One an image; without them, the paths, or numbers from 0.
            known_masters: Master categories known from elsewhere; a prediction that contradicts one goes to review.

        Returns:
            One row an image, in order, with the columns of the prediction contract (`tagger schema prediction`). An
            image that cannot be tagged is a row with decision `failed` and an error code.
        """
        uris = [None if isinstance(i, bytes) else str(i) for i in images]
        names = list(ids) if ids is not None else [u or str(n) for n, u in enumerate(uris)]
        masters = list(known_masters) if known_masters is not None else [None] * len(names)
        if not len(names) == len(masters) == len(uris):
            raise ValueError(f"{len(uris)} images, {len(names)} ids and {len(masters)} known master categories")
        tables = [PREDICTION.empty_table()]
        for start in range(0, len(names), _CHUNK):
            part = slice(start, start + _CHUNK)
            data = [i if isinstance(i, bytes) else self._read(i) for i in images[part]]
            tables.append(self._predictor(Request(names[part], uris[part], data, masters[part])))
        frame: pd.DataFrame = pa.concat_tables(tables).to_pandas()
        return frame

    def _read(self, path: str | PathLike[str]) -> bytes | ImageError:
        try:
            return read_file(str(Path(path)), self._max_bytes)
        except ImageError as error:
            return error
