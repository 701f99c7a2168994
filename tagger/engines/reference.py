"""What float32 PyTorch says of a sample of images, with which other engines are compared."""

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from tagger.engines.base import Engine
from tagger.engines.choice_progress import Watch, watched_logits
from tagger.errors import InputError

if TYPE_CHECKING:
    from tagger.models.bundle import Bundle

CHECKED_IMAGES = 512
"""Images of one piece of a sample."""
MOST_CHECKED_IMAGES = 4096
"""More are not compared, even if the interval of an agreement still says neither yes nor no."""


class Reference:
    """Images of the run, and the logits of float32 PyTorch for them, in pieces; both are computed lazily."""

    def __init__(
        self,
        bundle: "Bundle",
        device: str,
        batch_size: int,
        sample: Callable[[], Iterable[np.ndarray]],
        watch: Watch,
    ) -> None:
        self.engine = f"torch-{device}-float32"
        self._arguments = (bundle, device, "float32", batch_size)
        self._sample = sample
        self._watch = watch
        self._images: list[np.ndarray] = []
        self._logits: list[np.ndarray] = []

    @property
    def images(self) -> np.ndarray:
        """The first piece."""
        return self._piece(0)

    @property
    def is_compiled(self) -> bool | None:
        """Whether the model was compiled; None before it has run, and on a CPU, where it is not."""
        return getattr(self._engine, "is_compiled", None) if self._logits else None

    def check_finite(self) -> None:
        """Raise InputError when the model's own outputs are not finite."""
        if len(self.images):
            self._expected(0)

    def pieces(self, engine: Engine) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the logits of float32 PyTorch and of another engine, float32 [N, L] each, for each piece."""
        number = compared = 0
        while compared < MOST_CHECKED_IMAGES and len(images := self._piece(number)):
            yield self._expected(number), self._run(engine, images)
            compared += len(images)
            number += 1

    @cached_property
    def _source(self) -> Iterator[np.ndarray]:
        return iter(self._sample())

    @cached_property
    def _engine(self) -> Engine:
        from tagger.engines.torch import PreparedTorch

        return PreparedTorch(*self._arguments, all_threads=True).start()

    def _piece(self, number: int) -> np.ndarray:
        """The images of a piece; none if there is no such piece."""
        if number == len(self._images):
            self._images.append(next(self._source, np.zeros((0, 0, 0, 0), np.uint8)))
        return self._images[number]

    def _expected(self, number: int) -> np.ndarray:
        """The logits of float32 PyTorch for the images of a piece."""
        if number == len(self._logits):
            logits = self._run(self._engine, self._piece(number))
            if not np.isfinite(logits).all():
                model_id = self._arguments[0].card.model_id
                raise InputError(
                    f"--model: {model_id} gives outputs that are not finite, even in float32; train it again"
                )
            self._logits.append(logits)
        return self._logits[number]

    def _run(self, engine: Engine, images: np.ndarray) -> np.ndarray:
        return watched_logits(engine, images, self._arguments[-1], self._watch)
