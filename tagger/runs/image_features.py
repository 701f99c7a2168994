"""What attributes read of items' images: from a run with image vectors, or from a training."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from tagger.errors import InputError
from tagger.models.attributes import features_of
from tagger.models.image_pool import ImageRows
from tagger.runs.directory import RunDirectory
from tagger.schemas.documents.bundle import ModelCard

_COLUMNS = ["id", "modelId", "vector", "layout"]


@dataclass(frozen=True)
class ImageFeatures:
    """Features of M images; those of an item are neighbours."""

    ids: np.ndarray
    """Id of each image's item, object [M]."""
    numbers: np.ndarray
    """Number of each image among those of its item, int [M]."""
    matrix: np.ndarray
    """Float16 [M, F]; see `tagger.models.attributes.features_of`."""

    @classmethod
    def of_run(cls, directory: RunDirectory, card: ModelCard, flag: str = "--run") -> "ImageFeatures":
        """Read them from the image vectors of a run, one image an item. Raises InputError when it has none."""
        ids: list[str] = []
        models: set[str] = set()
        pieces = []
        for table in directory.vectors(_COLUMNS):  # one at a time: a column of all would overflow its offsets
            if len(table):
                ids += table["id"].to_pylist()
                models |= set(table["modelId"].unique().to_pylist())
                pieces.append(features_of(*(_matrix(table[name]) for name in ("vector", "layout"))))
        if not pieces:
            raise InputError(
                f"{flag}: {directory.root} has no image vectors, from which attributes are learnt; tag once more with "
                "--embeddings"
            )
        if models != {card.model_id}:
            raise InputError(f"{flag}: the vectors in {directory.root} were not made by this bundle, {card.model_id}")
        return cls(np.array(ids, object), np.zeros(len(ids), np.int64), np.concatenate(pieces))

    def of_items(self, ids: np.ndarray) -> tuple["ImageFeatures", np.ndarray]:
        """The images of some items, all of which may have none; and the position of each one's item in `ids`, [m]."""
        position = {item: n for n, item in enumerate(ids.tolist())}
        of = np.array([position.get(item, -1) for item in self.ids.tolist()], np.int64)
        chosen = of >= 0
        return ImageFeatures(self.ids[chosen], self.numbers[chosen], self.matrix[chosen]), of[chosen]

    @property
    def rows(self) -> ImageRows:
        """Which images belong to which items."""
        return ImageRows.of(self.ids, self.numbers)


def _matrix(column: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(column.combine_chunks().flatten()).reshape(len(column), -1)
