"""Lists the engines of this machine and chooses one for a run.

Engines differ in speed and in the last digits. The calibration and the thresholds of a bundle were fitted with float32
PyTorch, so an engine is chosen only when it finds the tags of float32 PyTorch on the run's own images. That is measured
once for each bundle, kind of machine and library version: later runs use the same engine without measuring again.
This module does not import the engines' libraries, so that a tagging worker loads only the one that it needs.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from tagger.engines.agreement import agrees, compare, is_certain, reason
from tagger.engines.base import Engine, PreparedEngine, UnsuitableError
from tagger.engines.choice_progress import Watch, unwatched
from tagger.engines.reference import Reference
from tagger.engines.speed import quickest_first
from tagger.errors import InputError, UsageError, WriteError
from tagger.io.location import first_line
from tagger.schemas.documents.run import EngineCheck

if TYPE_CHECKING:
    from tagger.models.bundle import Bundle
    from tagger.schemas.documents.bundle import ModelCard

ENOUGH_IMAGES = 200
"""Fewer images cannot show an agreement of 99.5%; `auto` then takes the engine of an earlier run."""

_TORCH_CPU = "torch-cpu-float32"


def engine_names(device: str) -> tuple[str, ...]:
    """The engines for `cpu` or `cuda` that this machine can run, float32 PyTorch last."""
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
    sample: Callable[[], Iterable[np.ndarray]],
    measured: Callable[[], EngineCheck | None] = lambda: None,
    watch: Watch = unwatched,
) -> tuple[PreparedEngine, EngineCheck]:
    """Choose the quickest engine of a device that agrees with float32 PyTorch.

    Args:
        bundle: The model.
        requested: `auto`, or the name of the only engine to try. `auto` takes the engine of an earlier run, if there is
            one. Without it, and with fewer than ENOUGH_IMAGES images, it takes float32 PyTorch: a few images prove
            nothing about an engine.
        device: `cpu` or `cuda`.
        batch_size: Images per pass.
        sample: Returns images of the run on which the agreement is measured, in pieces uint8 [N, H, W, C] of about
            CHECKED_IMAGES; only as many are read as are needed, the first one in any case.
        measured: Returns the engine that an earlier run chose for this model on such a machine.
        watch: Receives the progress of each engine.

    Raises:
        UsageError: when the requested engine cannot run here, or disagrees too often.
        InputError: when the bundle is damaged, or its outputs are not finite even in float32.
    """
    names = engine_names(device)
    if requested != "auto" and requested not in names:
        raise UsageError(f"--engine {requested}: this machine runs {', '.join(names)}")
    passed_over: dict[str, str] = {}
    earlier = measured() if requested == "auto" else None
    if earlier and earlier.engine in names:
        try:
            prepared = _prepared(bundle, earlier.engine, batch_size)
            return prepared, earlier.model_copy(update={"earlier": True})
        except UnsuitableError as error:
            passed_over[earlier.engine] = str(error)
    reference = Reference(bundle, device, batch_size, sample, watch)
    if requested == "auto" and len(reference.images) < ENOUGH_IMAGES:
        reference.check_finite()
        prepared = prepare(bundle, reference.engine, batch_size)
        return prepared, EngineCheck(engine=reference.engine, compiled=reference.is_compiled, passed_over=passed_over)
    candidates = {name: _Candidate(bundle, name, batch_size) for name in names}
    if requested != "auto":
        names = (requested,)
    elif device == "cpu":  # on a GPU each of them would be compiled first, which takes a minute
        names = (*_quickest_first(candidates, reference, watch), reference.engine)
    for name in names:
        try:
            check = _check(bundle.card, candidates[name], reference)
        except UnsuitableError as error:
            if requested != "auto":
                raise UsageError(f"--engine {name}: it {error}; take --engine auto") from error
            passed_over[name] = str(error)
        else:
            return candidates[name].prepared, check.model_copy(update={"passed_over": passed_over})
    raise UsageError(f"no engine runs this model on {device}: {passed_over}")


def can_run(engine: str) -> bool:
    """Whether this machine can run an engine, as far as can be known before it is started."""
    device = engine.split("-")[1]
    return (device == "cpu" or resolve_device("auto") == device) and engine in engine_names(device)


def _prepared(bundle: "Bundle", name: str, batch_size: int) -> PreparedEngine:
    """`prepare` that raises UnsuitableError when the engine cannot run the model; other errors pass."""
    try:
        return prepare(bundle, name, batch_size)
    except (InputError, WriteError):
        raise
    except Exception as error:  # whatever the library raises
        raise UnsuitableError(f"cannot run this model: {first_line(error)}") from error


class _Candidate:
    """An engine that is prepared and started when it is first asked for; all of it may raise UnsuitableError."""

    def __init__(self, bundle: "Bundle", name: str, batch_size: int) -> None:
        self.name = name
        self._arguments = (bundle, name, batch_size)

    @cached_property
    def prepared(self) -> PreparedEngine:
        """The converted model."""
        return _prepared(*self._arguments)

    def run(self, images: np.ndarray, embeddings: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Return leaf logits float32 [N, L] and embeddings [N, D]."""
        _ = self.prepared
        try:
            return self._engine.run(images, embeddings)
        except Exception as error:  # whatever the library raises
            raise UnsuitableError(f"cannot run this model: {first_line(error)}") from error

    @property
    def is_compiled(self) -> bool | None:
        """Whether the model was compiled, once it has run; None for an engine that does not compile."""
        return getattr(self._engine, "is_compiled", None)

    @cached_property
    def _engine(self) -> Engine:
        return self.prepared.start()


def _quickest_first(candidates: Mapping[str, _Candidate], reference: Reference, watch: Watch) -> list[str]:
    """The names of all candidates but the reference."""
    others = {name: candidate for name, candidate in candidates.items() if name != reference.engine}
    return quickest_first(others, reference.images, watch)


def _check(card: "ModelCard", candidate: _Candidate, reference: Reference) -> EngineCheck:
    """Compare an engine with the reference, on as many images as it takes to be certain.

    Raises:
        UnsuitableError: when the engine fails or disagrees too often.
        InputError: when the bundle is damaged.
        WriteError: when the disk is full while the engine is prepared.
    """
    check = EngineCheck(engine=candidate.name)
    if candidate.name == reference.engine or not len(reference.images):
        _ = candidate.prepared
        return check.model_copy(update={"compiled": reference.is_compiled})
    expected, logits = np.zeros((2, 0, len(card.taxonomy.leaves)), np.float32)
    for expected_piece, piece in reference.pieces(candidate):
        expected, logits = np.concatenate([expected, expected_piece]), np.concatenate([logits, piece])
        not_finite = int((~np.isfinite(logits)).any(axis=1).sum())
        if not_finite:
            raise UnsuitableError(f"gives outputs that are not finite for {not_finite} of {len(logits)} images")
        check = compare(card, candidate.name, expected, logits).model_copy(update={"compiled": candidate.is_compiled})
        if is_certain(check):
            break
    if not agrees(check):
        raise UnsuitableError(reason(check))
    return check
