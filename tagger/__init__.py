"""catalog-tagger: tags a shop's catalogue from its images, with honest confidences.

Each function does what a command does, and takes the config that the command's flags make. The command has the
function's name, except `policy` (`fit_policy`), `index` (`build_index`) and `similar` (`find_similar`). What a function
says while it works goes to the logger `tagger`, or to the `Reporter` that it is given.
"""

import importlib
import importlib.metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tagger.errors import HoldError, InputError, TaggerError, UsageError
    from tagger.reporter import Reporter
    from tagger.schemas.configs.apply import ApplyConfig
    from tagger.schemas.configs.audit import AuditConfig
    from tagger.schemas.configs.check import CheckConfig
    from tagger.schemas.configs.confidence import PolicyConfig
    from tagger.schemas.configs.drift import DriftConfig
    from tagger.schemas.configs.evaluate import EvaluateConfig
    from tagger.schemas.configs.export import ExportConfig, RollbackConfig
    from tagger.schemas.configs.pack import PackConfig
    from tagger.schemas.configs.similarity import DuplicatesConfig, IndexConfig, SimilarConfig
    from tagger.schemas.configs.suppliers import SuppliersConfig
    from tagger.schemas.configs.tag import TagConfig
    from tagger.schemas.configs.train import TrainConfig
    from tagger.schemas.documents.taxonomy import Level
    from tagger.schemas.tables.change import Outcome
    from tagger.schemas.tables.final_tag import TagState
    from tagger.tagging.notebook import Tagger
    from tagger.workflows.apply import ApplyResult, apply
    from tagger.workflows.audit import AuditResult, audit
    from tagger.workflows.check import CheckResult, check
    from tagger.workflows.drift import DriftResult, check_drift
    from tagger.workflows.duplicates import DuplicatesResult, duplicates
    from tagger.workflows.evaluate import EvaluateResult, evaluate
    from tagger.workflows.export import ExportResult, export
    from tagger.workflows.index import IndexResult, build_index
    from tagger.workflows.pack import PackResult, pack
    from tagger.workflows.policy import PolicyResult, fit_policy
    from tagger.workflows.rollback import RollbackResult, rollback
    from tagger.workflows.similar import SimilarResult, find_similar
    from tagger.workflows.suppliers import SuppliersResult, score_suppliers
    from tagger.workflows.tag import TagResult, tag
    from tagger.workflows.train import TrainResult, train

    __version__: str

_MODULES = {
    "Tagger": "tagger.tagging.notebook",
    "Level": "tagger.schemas.documents.taxonomy",
    "check": "tagger.workflows.check",
    "CheckConfig": "tagger.schemas.configs.check",
    "CheckResult": "tagger.workflows.check",
    "train": "tagger.workflows.train",
    "TrainConfig": "tagger.schemas.configs.train",
    "TrainResult": "tagger.workflows.train",
    "tag": "tagger.workflows.tag",
    "TagConfig": "tagger.schemas.configs.tag",
    "TagResult": "tagger.workflows.tag",
    "evaluate": "tagger.workflows.evaluate",
    "EvaluateConfig": "tagger.schemas.configs.evaluate",
    "EvaluateResult": "tagger.workflows.evaluate",
    "fit_policy": "tagger.workflows.policy",
    "PolicyConfig": "tagger.schemas.configs.confidence",
    "PolicyResult": "tagger.workflows.policy",
    "apply": "tagger.workflows.apply",
    "ApplyConfig": "tagger.schemas.configs.apply",
    "ApplyResult": "tagger.workflows.apply",
    "TagState": "tagger.schemas.tables.final_tag",
    "export": "tagger.workflows.export",
    "ExportConfig": "tagger.schemas.configs.export",
    "ExportResult": "tagger.workflows.export",
    "Outcome": "tagger.schemas.tables.change",
    "rollback": "tagger.workflows.rollback",
    "RollbackConfig": "tagger.schemas.configs.export",
    "RollbackResult": "tagger.workflows.rollback",
    "check_drift": "tagger.workflows.drift",
    "DriftConfig": "tagger.schemas.configs.drift",
    "score_suppliers": "tagger.workflows.suppliers",
    "SuppliersConfig": "tagger.schemas.configs.suppliers",
    "SuppliersResult": "tagger.workflows.suppliers",
    "DriftResult": "tagger.workflows.drift",
    "build_index": "tagger.workflows.index",
    "IndexConfig": "tagger.schemas.configs.similarity",
    "IndexResult": "tagger.workflows.index",
    "find_similar": "tagger.workflows.similar",
    "SimilarConfig": "tagger.schemas.configs.similarity",
    "SimilarResult": "tagger.workflows.similar",
    "duplicates": "tagger.workflows.duplicates",
    "DuplicatesConfig": "tagger.schemas.configs.similarity",
    "DuplicatesResult": "tagger.workflows.duplicates",
    "audit": "tagger.workflows.audit",
    "AuditConfig": "tagger.schemas.configs.audit",
    "AuditResult": "tagger.workflows.audit",
    "pack": "tagger.workflows.pack",
    "PackConfig": "tagger.schemas.configs.pack",
    "PackResult": "tagger.workflows.pack",
    "Reporter": "tagger.reporter",
    "TaggerError": "tagger.errors",
    "UsageError": "tagger.errors",
    "InputError": "tagger.errors",
    "HoldError": "tagger.errors",
}
"""Where each public name is: modules are imported when a name is first asked for, so that `import tagger` is quick."""

__all__ = [  # noqa: RUF022 - in the order in which a catalogue goes through them
    "Tagger",
    "Level",
    "check",
    "CheckConfig",
    "CheckResult",
    "train",
    "TrainConfig",
    "TrainResult",
    "tag",
    "TagConfig",
    "TagResult",
    "evaluate",
    "EvaluateConfig",
    "EvaluateResult",
    "fit_policy",
    "PolicyConfig",
    "PolicyResult",
    "apply",
    "ApplyConfig",
    "ApplyResult",
    "TagState",
    "export",
    "ExportConfig",
    "ExportResult",
    "Outcome",
    "rollback",
    "RollbackConfig",
    "RollbackResult",
    "check_drift",
    "DriftConfig",
    "score_suppliers",
    "SuppliersConfig",
    "SuppliersResult",
    "DriftResult",
    "build_index",
    "IndexConfig",
    "IndexResult",
    "find_similar",
    "SimilarConfig",
    "SimilarResult",
    "duplicates",
    "DuplicatesConfig",
    "DuplicatesResult",
    "audit",
    "AuditConfig",
    "AuditResult",
    "pack",
    "PackConfig",
    "PackResult",
    "Reporter",
    "TaggerError",
    "UsageError",
    "InputError",
    "HoldError",
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
