"""The registry of commands: their headings in `tagger --help`, and their configs."""

from tagger.schemas.configs.apply import ApplyConfig
from tagger.schemas.configs.audit import AuditConfig
from tagger.schemas.configs.bench import BenchConfig
from tagger.schemas.configs.check import CheckConfig
from tagger.schemas.configs.compare import CompareConfig, ProposeConfig
from tagger.schemas.configs.confidence import AttributesConfig, EvidenceConfig, PolicyConfig, QualityConfig
from tagger.schemas.configs.demo import DemoConfig
from tagger.schemas.configs.drift import DriftConfig
from tagger.schemas.configs.evaluate import EvaluateConfig
from tagger.schemas.configs.export import ExplainConfig, ExportConfig, RollbackConfig
from tagger.schemas.configs.models import ModelsConfig
from tagger.schemas.configs.pack import PackConfig
from tagger.schemas.configs.review import ReviewConfig
from tagger.schemas.configs.schema import SchemaConfig
from tagger.schemas.configs.similarity import DuplicatesConfig, IndexConfig, RetrievalConfig, SimilarConfig
from tagger.schemas.configs.submit import SubmitConfig
from tagger.schemas.configs.suppliers import SuppliersConfig
from tagger.schemas.configs.tag import LatestConfig, RunsConfig, TagConfig
from tagger.schemas.configs.train import CombineConfig, RecipesConfig, ResultsConfig, TrainConfig, TuneConfig
from tagger.schemas.values import JobConfig

PANELS: dict[str, dict[str, type[JobConfig]]] = {
    "Start here": {
        "demo": DemoConfig,
        "check": CheckConfig,
        "train": TrainConfig,
        "tag": TagConfig,
    },
    "Better models": {
        "recipes": RecipesConfig,
        "tune": TuneConfig,
        "results": ResultsConfig,
        "combine": CombineConfig,
        "evaluate": EvaluateConfig,
    },
    "Confidence": {
        "policy": PolicyConfig,
        "quality": QualityConfig,
        "evidence": EvidenceConfig,
        "attributes": AttributesConfig,
    },
    "Review": {
        "review": ReviewConfig,
        "apply": ApplyConfig,
    },
    "Into the PIM": {
        "export": ExportConfig,
        "rollback": RollbackConfig,
        "compare": CompareConfig,
        "propose": ProposeConfig,
        "explain": ExplainConfig,
    },
    "Find and clean": {
        "index": IndexConfig,
        "similar": SimilarConfig,
        "retrieval": RetrievalConfig,
        "duplicates": DuplicatesConfig,
        "audit": AuditConfig,
        "suppliers": SuppliersConfig,
    },
    "Operate": {
        "models": ModelsConfig,
        "drift": DriftConfig,
        "runs": RunsConfig,
        "latest": LatestConfig,
        "submit": SubmitConfig,
        "pack": PackConfig,
        "bench": BenchConfig,
        "schema": SchemaConfig,
    },
}
JOBS: dict[str, type[JobConfig]] = {name: config for jobs in PANELS.values() for name, config in jobs.items()}
RENAMED = {"titles": "evidence"}
"""Earlier names of commands, which work in this release, with a word."""
