"""OpenVINO as an engine for CPUs: half precision where the CPU supports it, no compiler, ready at once."""

import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from tagger.engines.base import Engine, as_batches
from tagger.engines.signal_stack import kept_signal_stack
from tagger.errors import UsageError
from tagger.io.location import first_line
from tagger.io.scratch import check_room
from tagger.models.bundle import Bundle

if TYPE_CHECKING:
    from torch import nn

_GRAPH_BYTES = 2**20
# The capability that a CPU reports, and OpenVINO's name of the precision; float16 is as quick as bfloat16 and closer to
# float32.
_PRECISIONS = {"float16": ("FP16", "f16"), "bfloat16": ("BF16", "bf16"), "float32": ("FP32", "f32")}


@dataclass(frozen=True)
class PreparedOpenVino:
    """A model in OpenVINO's format."""

    topology: bytes
    weights: bytes
    precision: str
    batch_size: int

    @property
    def name(self) -> str:
        """The engine's name."""
        return f"openvino-cpu-{self.precision}"

    def start(self) -> Engine:
        """Compile the model for this machine's CPU, which takes a tenth of a second."""
        openvino = _openvino()
        core = openvino.Core()
        model = core.read_model(self.topology, self.weights)
        settings = {
            "INFERENCE_PRECISION_HINT": _PRECISIONS[self.precision][1],
            "INFERENCE_NUM_THREADS": 1,  # processes are the parallelism of the jobs
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,  # else all processes might be pinned to one core
        }
        with kept_signal_stack():
            compiled = core.compile_model(model, "CPU", settings)
        return OpenVinoEngine(compiled, self.name, self.batch_size)


class OpenVinoEngine:
    """A compiled model with one inference request, so that nothing is allocated per pass."""

    def __init__(self, compiled: Any, name: str, batch_size: int) -> None:
        self.name = name
        self._batch_size = batch_size
        self._request = compiled.create_infer_request()
        self._input = self._request.get_input_tensor(0).data
        self._outputs = [self._request.get_output_tensor(i).data for i in range(2)]

    def run(self, images: np.ndarray, embeddings: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Return leaf logits float32 [N, L] and embeddings float32 [N, D], or [N, 0] where they are not wanted."""
        logits, vectors = [], []
        for batch, size in as_batches(images, self._batch_size):
            self._input[...] = batch
            self._request.start_async()
            self._request.wait()
            logits.append(self._outputs[0][:size].astype(np.float32))  # a copy: the buffers are filled again
            vectors.append(self._outputs[1][:size, : None if embeddings else 0].astype(np.float32))
        return np.concatenate(logits), np.concatenate(vectors)


def cpu_precisions() -> tuple[str, ...]:
    """The precisions that this machine's CPU supports, the quickest first; empty where OpenVINO is not installed."""
    try:
        capabilities = _openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    except (ImportError, RuntimeError):
        return ()
    return tuple(name for name, (capability, _) in _PRECISIONS.items() if capability in capabilities)


def convert(bundle: Bundle, precision: str, batch_size: int) -> PreparedOpenVino:
    """Convert a bundle for a fixed batch size; averaging with the mirror image becomes part of the graph.

    Raises:
        UsageError: when OpenVINO cannot express the model.
        WriteError: when the temporary folder has no room for the files.
        InputError: when the bundle's weights do not fit its card.
    """
    import torch

    from tagger.engines.torch import build_module

    openvino = _openvino()
    model = build_module(bundle)
    size = bundle.card.preprocessing
    shape = [batch_size, size.height, size.width, size.channels]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch.jit.trace is deprecated; OpenVINO would call it, too
            example = torch.zeros([2, *shape[1:]], dtype=torch.uint8)
            traced = torch.jit.trace(model, example, check_trace=False)  # type: ignore[no-untyped-call]
            converted = openvino.convert_model(traced, example_input=example, input=[openvino.PartialShape(shape)])
    except Exception as error:
        raise UsageError(f"OpenVINO cannot express the model: {first_line(error)}") from error
    with tempfile.TemporaryDirectory() as folder:  # OpenVINO serialises to files only
        check_room(Path(folder), _saved_bytes(model))  # on a full disk, OpenVINO's error speaks of an iostream
        file = Path(folder) / "model.xml"
        openvino.save_model(converted, file, compress_to_fp16=False)
        return PreparedOpenVino(file.read_bytes(), file.with_suffix(".bin").read_bytes(), precision, batch_size)


def _openvino() -> ModuleType:
    """Import OpenVINO without its telemetry, which would write into the home folder and open connections."""
    if "openvino" not in sys.modules:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment] # None means: not installed
    import openvino

    return openvino  # type: ignore[no-any-return]


def _saved_bytes(model: "nn.Module") -> int:
    """An upper bound for the size of a model's files: its weights in float32, and its graph."""
    return sum(int(tensor.nbytes) for tensor in model.state_dict().values()) + _GRAPH_BYTES
