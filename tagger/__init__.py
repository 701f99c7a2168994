"""catalog-tagger: tags a shop's catalogue from its images, with honest confidences.

Each function does what the command of its name does, and takes the config that the command's flags make. What it says
while it works goes to the logger `tagger`, or to the `Reporter` that it is given.
"""

import importlib
import importlib.metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tagger.errors import InputError, TaggerError, UsageError
    from tagger.reporter import Reporter
    from tagger.schemas.configs.audit import AuditConfig
    from tagger.schemas.configs.check import CheckConfig
    from tagger.schemas.configs.confidence import PolicyConfig
    from tagger.schemas.configs.evaluate import EvaluateConfig
    from tagger.schemas.configs.review import ApplyConfig
    from tagger.schemas.configs.similarity import DuplicatesConfig, IndexConfig, SimilarConfig
    from tagger.schemas.configs.tag import TagConfig
    from tagger.schemas.configs.train import TrainConfig
    from tagger.tagging.notebook import Tagger
    from tagger.workflows.audit import audit
    from tagger.workflows.check import check
    from tagger.workflows.duplicates import duplicates
    from tagger.workflows.evaluate import evaluate
    from tagger.workflows.export import export
    from tagger.workflows.index import build_index
    from tagger.workflows.policy import fit_policy
    from tagger.workflows.similar import find_similar
    from tagger.workflows.tag import tag
    from tagger.workflows.train import train

    __version__: str

_MODULES = {
    "Tagger": "tagger.tagging.notebook",
    "check": "tagger.workflows.check",
    "CheckConfig": "tagger.schemas.configs.check",
    "train": "tagger.workflows.train",
    "TrainConfig": "tagger.schemas.configs.train",
    "tag": "tagger.workflows.tag",
    "TagConfig": "tagger.schemas.configs.tag",
    "evaluate": "tagger.workflows.evaluate",
    "EvaluateConfig": "tagger.schemas.configs.evaluate",
    "fit_policy": "tagger.workflows.policy",
    "PolicyConfig": "tagger.schemas.configs.confidence",
    "export": "tagger.workflows.export",
    "ApplyConfig": "tagger.schemas.configs.review",
    "build_index": "tagger.workflows.index",
    "IndexConfig": "tagger.schemas.configs.similarity",
    "find_similar": "tagger.workflows.similar",
    "SimilarConfig": "tagger.schemas.configs.similarity",
    "duplicates": "tagger.workflows.duplicates",
    "DuplicatesConfig": "tagger.schemas.configs.similarity",
    "audit": "tagger.workflows.audit",
    "AuditConfig": "tagger.schemas.configs.audit",
    "Reporter": "tagger.reporter",
    "TaggerError": "tagger.errors",
    "UsageError": "tagger.errors",
    "InputError": "tagger.errors",
}
"""Where each public name is: modules are imported when a name is first asked for, so that `import tagger` is quick."""

__all__ = [  # noqa: RUF022 - in the order in which a catalogue goes through them
    "Tagger",
    "check",
    "CheckConfig",
    "train",
    "TrainConfig",
    "tag",
    "TagConfig",
    "evaluate",
    "EvaluateConfig",
    "fit_policy",
    "PolicyConfig",
    "export",
    "ApplyConfig",
    "build_index",
    "IndexConfig",
    "find_similar",
    "SimilarConfig",
    "duplicates",
    "DuplicatesConfig",
    "audit",
    "AuditConfig",
    "Reporter",
    "TaggerError",
    "UsageError",
    "InputError",
    "__version__",
]


def __getattr__(name: str) -> object:
    if name == "__version__":
        return importlib.metadata.version("catalog-tagger")
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    thing: object = getattr(importlib.import_module(_MODULES[name]), name)
    globals()[name] = thing
    return thing


def __dir__() -> list[str]:
    return sorted(__all__)
