"""How familiar an image is: whether its vector lies where those of the images that the model has learnt from lie.

An image is scored by the distance of its vector to the nearest one of the training images, as by Sun et al. 2022
(arXiv:2204.06507), measured as by Mahalanobis in the directions in which the classes differ (Lee et al. 2018,
arXiv:1807.03888). Where there are items of leaves that were left out, a linear score that tells them from held-out
items of the learnt ones is added (outlier exposure: Hendrycks et al. 2019, arXiv:1812.04606). A score becomes the share
of held-out items that score as high, a conformal p-value (Bates et al. 2023, Annals of Statistics 51, 149-178). All is
stored in the bundle's folder.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from tagger.errors import InputError
from tagger.io.location import Location
from tagger.models.vectors import of_length_one
from tagger.schemas.documents.bundle import ModelCard

FILE = "familiarity.safetensors"
_FEATURELESS = 1.0  # variance of the Laplacian, of grey levels


@dataclass(frozen=True)
class Neighbours:
    """Training images that a new one may lie near to, and what an image of something else looks like."""

    directions: np.ndarray
    """In which the classes differ, of vectors of length 1; there each class has unit covariance, float32 [R, D]."""
    points: np.ndarray
    """Training images in these directions, float32 [K, R]."""
    slope: float = 1.0
    """Of the distance to the nearest point, in the score."""
    weight: np.ndarray | None = None
    """Of the vector itself in the score, float32 [D]; None where nothing was left out to learn that from."""

    @property
    def dim(self) -> int:
        """Length of a vector, D."""
        return int(self.directions.shape[1])

    def distances(self, vectors: np.ndarray) -> np.ndarray:
        """Distance of vectors of length 1, [N, D], to the nearest training image; float32 [N]."""
        # one vector at a time, as the last digits of a matrix product depend on the other rows
        return np.array([self._nearest(self.directions @ one) for one in np.asarray(vectors, np.float32)], np.float32)

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """Scores of vectors of length 1, [N, D]; float32 [N], larger is less familiar."""
        scores = np.float32(self.slope) * self.distances(vectors)
        if self.weight is None:
            return scores
        by_vector = np.array([self.weight @ one for one in np.asarray(vectors, np.float32)], np.float32)
        return np.asarray(scores + by_vector, np.float32)

    def _nearest(self, point: np.ndarray) -> np.float32:
        nearest = self.points[(self._squares - 2 * (self.points @ point)).argmin()]
        return np.float32(np.linalg.norm(nearest - point))

    @cached_property
    def _squares(self) -> np.ndarray:
        return np.asarray(np.square(self.points).sum(axis=1))


@dataclass(frozen=True)
class Familiarity:
    """Scores images by their vectors, and turns the scores into shares of held-out items."""

    members: tuple[Neighbours, ...]
    """One, or one for each model whose predictions a bundle averages; their vectors stand side by side."""
    held_out: np.ndarray
    """Scores of held-out items of the learnt leaves, rising, float32 [M]."""

    def scores(self, embeddings: np.ndarray) -> np.ndarray:
        """Scores of the model's embeddings, [N, D]; float32 [N], larger is less familiar. Those of models are added."""
        ends = np.cumsum([member.dim for member in self.members])[:-1]
        parts = np.split(embeddings, ends, axis=1)
        each = [m.scores(of_length_one(part)) for m, part in zip(self.members, parts, strict=True)]
        return np.asarray(np.sum(each, axis=0), np.float32)

    def shares(self, scores: np.ndarray) -> np.ndarray:
        """The share of held-out items that score as high or higher, float32 [N]; above 0, as an item counts itself."""
        below = np.searchsorted(self.held_out, scores, side="left")
        count = len(self.held_out)
        return np.asarray((count - below + 1) / (count + 1), np.float32)

    def of(self, embeddings: np.ndarray, blur_scores: np.ndarray) -> np.ndarray:
        """Familiarity of N images, 0 to 1, float32 [N]; low is unfamiliar, and 0 where nothing is to be seen.

        Args:
            embeddings: The model's, [N, D].
            blur_scores: Of the images, [N]; a picture of one colour has one of 0.
        """
        return np.where(blur_scores < _FEATURELESS, np.float32(0), self.shares(self.scores(embeddings)))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the file, in hexadecimal."""
        return hashlib.sha256(self._packed).hexdigest()

    def save(self, bundle: Location) -> None:
        """Write it into a bundle's folder."""
        (bundle / FILE).write_bytes(self._packed)

    @classmethod
    def load_if_any(cls, bundle: Location, card: ModelCard) -> "Familiarity | None":
        """Read it from a bundle's folder; None for a bundle that cannot tell.

        Raises:
            InputError: when the card says that there is one, and it is missing, or another.
        """
        if card.familiarity is None:
            return None
        file = bundle / FILE
        if not file.exists():
            raise InputError(f"--model: {bundle} is not whole: it has no {FILE}")
        data = file.read_bytes()
        if hashlib.sha256(data).hexdigest() != card.familiarity.digest:
            raise InputError(f"--model: {file} was changed after it was saved, and no longer belongs to the bundle")
        try:
            return _unpacked(safetensors.numpy.load(data))
        except (SafetensorError, KeyError) as error:
            raise InputError(f"--model: {file} cannot be read by this version: {error}") from error

    @cached_property
    def _packed(self) -> bytes:
        tensors = {"held_out": np.ascontiguousarray(self.held_out, np.float32)}
        for n, member in enumerate(self.members):
            tensors[f"{n}.directions"] = np.ascontiguousarray(member.directions, np.float32)
            tensors[f"{n}.points"] = np.ascontiguousarray(member.points, np.float16)
            tensors[f"{n}.slope"] = np.array([member.slope], np.float32)
            if member.weight is not None:
                tensors[f"{n}.weight"] = np.ascontiguousarray(member.weight, np.float32)
        return safetensors.numpy.save(tensors)


def _unpacked(tensors: dict[str, np.ndarray]) -> Familiarity:
    count = sum(name.endswith(".directions") for name in tensors)
    members = [
        Neighbours(
            tensors[f"{n}.directions"],
            tensors[f"{n}.points"].astype(np.float32),
            float(tensors[f"{n}.slope"][0]),
            tensors.get(f"{n}.weight"),
        )
        for n in range(count)
    ]
    return Familiarity(tuple(members), tensors["held_out"])
