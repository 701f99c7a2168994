"""catalog-tagger: tags a shop's catalogue from its images, with honest confidences."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tagger.inference.tagger import Tagger

__all__ = ["Tagger"]


def __getattr__(name: str) -> object:
    if name == "Tagger":  # torch is loaded when the class is first asked for, not by `import tagger`
        from tagger.inference.tagger import Tagger

        return Tagger
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
