"""Torchvision, a second sooner: PyTorch's compiler, of which it imports one function, is loaded when that is called.

An image operator that no classification model has is why `import torchvision` loads `torch._dynamo`, which takes nine
tenths of its time, in every process that builds a network.
"""

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

_COMPILER = ("torch._dynamo", "torch._dynamo.utils")


class _Later(ModuleType):
    """Stands for a module until one of its functions is called, which loads it and is then the module's own."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)

        def call(*args: Any, **kwargs: Any) -> Any:
            return getattr(importlib.import_module(self.__name__), name)(*args, **kwargs)

        return call


@contextmanager
def _compiler_when_called() -> Iterator[None]:
    standing_in = {name: _Later(name) for name in _COMPILER if name not in sys.modules}
    sys.modules.update(standing_in)
    try:
        yield
    finally:
        for name in standing_in:
            del sys.modules[name]


with _compiler_when_called():
    import torchvision

__all__ = ["torchvision"]
