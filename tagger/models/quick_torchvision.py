"""Imports torchvision without PyTorch's compiler, which no classification model needs.

torchvision imports one function of `torch._dynamo` for an operator of detection models (`torchvision.ops.roi_align`).
Here that module is loaded when the function is first called. Measured with torch 2.14 and torchvision 0.29 on two
cores, `import tagger.engines.torch` takes 1.4 s instead of 2.6 s (medians of five processes). `tagger tag` imports it
to compare engines. Training gains nothing, because it loads the compiler anyway, and `tagger check` imports neither.
"""

import importlib
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from tagger.workarounds import Workaround

QUICK_TORCHVISION = Workaround("quick_torchvision", "torchvision", first=(0, 26), last=(0, 29))
_COMPILER = ("torch._dynamo", "torch._dynamo.utils")
_IMPORT_NOTHING = {"PythonGCThread"}
"""Classes of threads that never import the compiler: each Ray worker has one that only collects garbage."""


def _is_compile_supported(device_type: str) -> bool:
    """The stub that torchvision imports; it loads the compiler and calls the real function."""
    supported: bool = importlib.import_module("torch._dynamo.utils").is_compile_supported(device_type)
    return supported


@contextmanager
def _without_compiler() -> Iterator[None]:
    """Replace `torch._dynamo` by stubs, empty but for the one function, until the end of the block."""
    stubs = {name: ModuleType(name) for name in _COMPILER}
    stubs["torch._dynamo.utils"].is_compile_supported = _is_compile_supported  # type: ignore[attr-defined]
    sys.modules.update(stubs)
    try:
        yield
    finally:
        for name in stubs:
            del sys.modules[name]


def _is_safe() -> bool:
    """Whether nothing else can see the stubs: the compiler is not loaded, and no other thread could import it."""
    others = {type(thread).__name__ for thread in threading.enumerate() if thread is not threading.current_thread()}
    return not any(name in sys.modules for name in _COMPILER) and others <= _IMPORT_NOTHING


if QUICK_TORCHVISION.is_on() and "torchvision" not in sys.modules and _is_safe():
    with _without_compiler():
        import torchvision
else:
    import torchvision

__all__ = ["torchvision"]
