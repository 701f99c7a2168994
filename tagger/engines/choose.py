"""Lists the engines of this machine and chooses one for a run.

Engines differ in speed and in the last digits. The calibration and the thresholds of a bundle were fitted with float32
PyTorch, so an engine is chosen only when its most probable leaf is that of float32 PyTorch on the run's own images.
This module does not import the engines' libraries, so that a tagging worker loads only the one that it needs.
"""

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from tagger.engines.base import PreparedEngine
from tagger.engines.choice_progress import Watch, unwatched, watched_logits
from tagger.errors import InputError, UsageError, WriteError
from tagger.io.location import first_line
from tagger.schemas.documents.run import EngineCheck

if TYPE_CHECKING:
    from tagger.models.bundle import Bundle

MIN_AGREEMENT = 0.995
CHECKED_IMAGES = 512
ENOUGH_IMAGES = 200
"""Fewer images cannot show an agreement of 99.5%; `auto` then takes the engine that was measured on many before."""
_NEAR_TIES = 1  # among a few images, one near tie proves nothing

_TORCH_CPU = "torch-cpu-float32"


def engine_names(device: str) -> tuple[str, ...]:
    """The engines for `cpu` or `cuda` that this machine can run, the quickest first."""
    if device == "cuda":
        return ("torch-cuda-float16", "torch-cuda-bfloat16", "torch-cuda-float32")
    from tagger.engines.openvino import cpu_precisions

    return (*(f"openvino-cpu-{p}" for p in cpu_precisions()), _TORCH_CPU)


def resolve_device(device: str, engine: str = "auto") -> str:
    """`cuda` or `cpu`: that of the engine's name, else the device, else `cuda` where this process has a GPU."""
    if engine != "auto":
        return engine.split("-")[1]
    if device != "auto":
        return device
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def prepare(bundle: "Bundle", name: str, batch_size: int) -> PreparedEngine:
    """Convert a bundle to the form that an engine loads.

    Args:
        bundle: The model.
        name: One of `engine_names`.
        batch_size: Images per pass.

    Raises:
        UsageError: when the engine cannot run this model.
        InputError: when the bundle's weights do not fit its card.
    """
    library, device, precision = name.split("-")
    if library == "openvino":
        from tagger.engines.openvino import convert

        return convert(bundle, precision, batch_size)
    from tagger.engines.torch import PreparedTorch

    return PreparedTorch(bundle, device, precision, batch_size)


def choose_engine(
    bundle: "Bundle",
    requested: str,
    device: str,
    batch_size: int,
    sample: Callable[[], np.ndarray],
    measured: Callable[[], EngineCheck | None] = lambda: None,
    watch: Watch = unwatched,
) -> tuple[PreparedEngine, EngineCheck]:
    """Choose the quickest engine of a device that agrees with float32 PyTorch.

    Args:
        bundle: The model.
        requested: `auto`, or the name of the only engine to try. With fewer than ENOUGH_IMAGES images, `auto` takes the
            engine that was measured before, or else float32 PyTorch: a few images prove nothing about an engine.
        device: `cpu` or `cuda`.
        batch_size: Images per pass.
        sample: Returns uint8 images [N, H, W, 3] of the run, on which the agreement is measured.
        measured: Returns the engine that was chosen for this model, on such a machine, with ENOUGH_IMAGES or more.
        watch: Receives the progress of each engine.

    Raises:
        UsageError: when the requested engine cannot run here, or disagrees too often.
        InputError: when the bundle is damaged, or its outputs are not finite even in float32.
    """
    reference = _Reference(bundle, device, batch_size, sample, watch)
    if requested == "auto" and len(reference.images) < ENOUGH_IMAGES:
        return _default_engine(bundle, device, batch_size, reference, measured())
    names = engine_names(device)
    if requested != "auto" and requested not in names:
        raise UsageError(f"--engine {requested}: this machine runs {', '.join(names)}")
    passed_over: dict[str, str] = {}
    for name in names if requested == "auto" else (requested,):
        try:
            prepared, check = _checked(bundle, name, batch_size, reference)
        except _UnsuitableError as error:
            if requested != "auto":
                raise UsageError(f"--engine {name}: it {error}; take --engine auto") from error
            passed_over[name] = str(error)
        else:
            return prepared, check.model_copy(update={"passed_over": passed_over})
    raise UsageError(f"no engine runs this model on {device}: {passed_over}")


def can_run(engine: str) -> bool:
    """Whether this machine can run an engine, as far as can be known before it is started."""
    device = engine.split("-")[1]
    return (device == "cpu" or resolve_device("auto") == device) and engine in engine_names(device)


def _default_engine(
    bundle: "Bundle", device: str, batch_size: int, reference: "_Reference", measured: EngineCheck | None
) -> tuple[PreparedEngine, EngineCheck]:
    """The engine that was measured before, or float32 PyTorch."""
    passed_over = {}
    if measured and measured.engine in engine_names(device):
        try:
            return _prepared(bundle, measured.engine, batch_size), measured
        except _UnsuitableError as error:
            passed_over[measured.engine] = str(error)
    if len(reference.images):
        reference.check_finite()
    return prepare(bundle, reference.engine, batch_size), EngineCheck(engine=reference.engine, passed_over=passed_over)


class _UnsuitableError(Exception):
    """Why an engine is not chosen. The message continues a sentence that begins with the engine's name."""


class _Reference:
    """Images of the run, and the logits of float32 PyTorch for them; both are computed lazily."""

    def __init__(
        self, bundle: "Bundle", device: str, batch_size: int, sample: Callable[[], np.ndarray], watch: Watch
    ) -> None:
        self.engine = f"torch-{device}-float32"
        self._arguments = (bundle, device, "float32", batch_size)
        self._sample = sample
        self._watch = watch

    @cached_property
    def images(self) -> np.ndarray:
        return self._sample()

    def check_finite(self) -> None:
        """Raise InputError when the model's own outputs are not finite."""
        _ = self.logits

    @cached_property
    def logits(self) -> np.ndarray:
        from tagger.engines.torch import PreparedTorch

        logits = self.run(PreparedTorch(*self._arguments, all_threads=True))
        if not np.isfinite(logits).all():
            model_id = self._arguments[0].card.model_id
            raise InputError(f"--model: {model_id} gives outputs that are not finite, even in float32; train it again")
        return logits

    def run(self, prepared: PreparedEngine) -> np.ndarray:
        """Start an engine, and return its logits for the images, float32 [N, L]."""
        return watched_logits(prepared.start(), self.images, self._arguments[-1], self._watch)


def _prepared(bundle: "Bundle", name: str, batch_size: int) -> PreparedEngine:
    """`prepare` that raises _UnsuitableError when the engine cannot run the model; other errors pass."""
    try:
        return prepare(bundle, name, batch_size)
    except (InputError, WriteError):
        raise
    except Exception as error:  # whatever the library raises
        raise _UnsuitableError(f"cannot run this model: {first_line(error)}") from error


def _checked(bundle: "Bundle", name: str, batch_size: int, reference: _Reference) -> tuple[PreparedEngine, EngineCheck]:
    """Start an engine and compare it with the reference.

    Raises:
        _UnsuitableError: when the engine fails or disagrees too often.
        InputError: when the bundle is damaged.
        WriteError: when the disk is full while the engine is prepared.
    """
    prepared = _prepared(bundle, name, batch_size)
    if name == reference.engine or not len(reference.images):
        return prepared, EngineCheck(engine=name, agreement=1.0)
    images, expected = reference.images, reference.logits
    try:
        logits = reference.run(prepared)
    except Exception as error:  # whatever the library raises
        raise _UnsuitableError(f"cannot run this model: {first_line(error)}") from error
    not_finite = int((~np.isfinite(logits)).any(axis=1).sum())
    if not_finite:
        raise _UnsuitableError(f"gives outputs that are not finite for {not_finite} of {len(images)} images")
    check = compare_logits(name, expected, logits)
    if not agrees(check):
        share = f"{check.agreement:.2%} of {check.images} images"
        raise _UnsuitableError(f"agrees with float32 PyTorch on {share}, {MIN_AGREEMENT:.1%} is required")
    return prepared, check


def compare_logits(name: str, reference: np.ndarray, logits: np.ndarray) -> EngineCheck:
    """Compare an engine's logits [N, L] with the reference's: the share of images with the same most probable leaf."""
    agreeing = int((reference.argmax(axis=1) == logits.argmax(axis=1)).sum())
    largest_difference = float(np.abs(reference - logits).max()) if len(reference) else 0.0
    if not np.isfinite(logits).all():
        agreeing = 0
    return EngineCheck(
        engine=name,
        images=len(reference),
        agreement=agreeing / len(reference) if len(reference) else 1.0,
        largest_difference=largest_difference if np.isfinite(largest_difference) else None,
    )


def agrees(check: EngineCheck) -> bool:
    """Whether an engine may replace float32 PyTorch: at most 0.5% of the leaves differ, or one of a few images."""
    disagreeing = round((1 - check.agreement) * check.images)
    return disagreeing <= max(_NEAR_TIES, int((1 - MIN_AGREEMENT) * check.images))
