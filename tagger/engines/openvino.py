"""OpenVINO as an engine for CPUs: half precision where the CPU computes in it, no compiler, ready at once."""

import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from tagger.engines.base import Engine, as_batches
from tagger.errors import UsageError
from tagger.io.location import first_line
from tagger.io.scratch import check_room
from tagger.models.bundle import Bundle

if TYPE_CHECKING:
    from torch import nn

_GRAPH_BYTES = 2**20
# What a CPU says it computes in, and OpenVINO's own name for it; float16 is as quick as bfloat16 and closer to float32.
_PRECISIONS = {"float16": ("FP16", "f16"), "bfloat16": ("BF16", "bf16"), "float32": ("FP32", "f32")}


@dataclass(frozen=True)
class PreparedOpenVino:
    """A model in OpenVINO's own form."""

    topology: bytes
    weights: bytes
    precision: str
    batch_size: int

    @property
    def name(self) -> str:
        """The engine's name."""
        return f"openvino-cpu-{self.precision}"

    def start(self) -> Engine:
        """Compile the model for this process's CPU; a tenth of a second."""
        openvino = _openvino()
        core = openvino.Core()
        model = core.read_model(self.topology, self.weights)
        settings = {
            "INFERENCE_PRECISION_HINT": _PRECISIONS[self.precision][1],
            "INFERENCE_NUM_THREADS": 1,  # processes are the parallelism of the jobs
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,  # or all processes might share a core
        }
        return OpenVinoEngine(core.compile_model(model, "CPU", settings), self.name, self.batch_size)


class OpenVinoEngine:
    """A compiled model with one request, so that nothing is allocated from pass to pass."""

    def __init__(self, compiled: Any, name: str, batch_size: int) -> None:
        self.name = name
        self._batch_size = batch_size
        self._request = compiled.create_infer_request()
        self._input = self._request.get_input_tensor(0).data
        self._outputs = [self._request.get_output_tensor(i).data for i in range(2)]

    def run(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return leaf logits float32 [N, L] and embeddings float32 [N, D]."""
        logits, embeddings = [], []
        for batch, size in as_batches(images, self._batch_size):
            self._input[...] = batch
            self._request.start_async()
            self._request.wait()
            logits.append(self._outputs[0][:size].astype(np.float32))  # a copy: the buffers are filled again
            embeddings.append(self._outputs[1][:size].astype(np.float32))
        return np.concatenate(logits), np.concatenate(embeddings)


def cpu_precisions() -> tuple[str, ...]:
    """The precisions that this machine's CPU computes in, the quickest first; none where there is no OpenVINO."""
    try:
        able = _openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    except (ImportError, RuntimeError):
        return ()
    return tuple(name for name, (capability, _) in _PRECISIONS.items() if capability in able)


def convert(bundle: Bundle, precision: str, batch_size: int) -> PreparedOpenVino:
    """Convert a bundle, its mirror image included, for a fixed batch size.

    Raises:
        UsageError: when OpenVINO cannot express the model.
        WriteError: when the temporary folder has no room for it.
        InputError: when the bundle's weights do not fit its card.
    """
    import torch

    from tagger.engines.torch import network

    openvino = _openvino()
    model = network(bundle)
    size = bundle.card.preprocessing
    shape = [batch_size, size.height, size.width, size.channels]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch.jit.trace, which OpenVINO would call, too, warns of its own age
            example = torch.zeros([2, *shape[1:]], dtype=torch.uint8)
            traced = torch.jit.trace(model, example, check_trace=False)  # type: ignore[no-untyped-call]
            converted = openvino.convert_model(traced, example_input=example, input=[openvino.PartialShape(shape)])
    except Exception as error:
        raise UsageError(f"OpenVINO cannot express the model: {first_line(error)}") from error
    with tempfile.TemporaryDirectory() as folder:  # it serialises to files only
        check_room(Path(folder), _saved_bytes(model))  # it says nothing of room, but of an iostream
        file = Path(folder) / "model.xml"
        openvino.save_model(converted, file, compress_to_fp16=False)
        return PreparedOpenVino(file.read_bytes(), file.with_suffix(".bin").read_bytes(), precision, batch_size)


def _openvino() -> ModuleType:
    """OpenVINO without its telemetry, which would write into the home folder and call out when it is imported."""
    if "openvino" not in sys.modules:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment] # Python's way to say: not installed
    import openvino

    return openvino  # type: ignore[no-any-return]


def _saved_bytes(model: "nn.Module") -> int:
    """What the files of a model take at most: its weights in float32, and its graph."""
    return sum(int(tensor.nbytes) for tensor in model.state_dict().values()) + _GRAPH_BYTES
