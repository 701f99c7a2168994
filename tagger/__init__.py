"""catalog-tagger: tags a shop's catalogue from its images, with honest confidences."""

import importlib.metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tagger.tagging.notebook import Tagger

    __version__: str

__all__ = ["Tagger", "__version__"]


def __getattr__(name: str) -> object:
    if name == "Tagger":  # torch is loaded when the class is first asked for, not by `import tagger`
        from tagger.tagging.notebook import Tagger

        return Tagger
    if name == "__version__":
        return importlib.metadata.version("catalog-tagger")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
