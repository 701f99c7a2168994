"""Which commands there are, and what each is asked for."""

from schemas.configs.audit import AuditConfig
from schemas.configs.bench import BenchConfig
from schemas.configs.check import CheckConfig
from schemas.configs.confidence import PolicyConfig, QualityConfig, TitlesConfig
from schemas.configs.demo import DemoConfig
from schemas.configs.evaluate import EvaluateConfig
from schemas.configs.review import ApplyConfig, ReviewConfig
from schemas.configs.similarity import DuplicatesConfig, IndexConfig, RetrievalConfig, SimilarConfig
from schemas.configs.tag import LatestConfig, RunsConfig, TagConfig
from schemas.configs.train import CombineConfig, RecipesConfig, ResultsConfig, TrainConfig, TuneConfig
from schemas.values import JobConfig

JOBS: dict[str, type[JobConfig]] = {
    "demo": DemoConfig,
    "check": CheckConfig,
    "train": TrainConfig,
    "recipes": RecipesConfig,
    "tune": TuneConfig,
    "results": ResultsConfig,
    "combine": CombineConfig,
    "policy": PolicyConfig,
    "titles": TitlesConfig,
    "tag": TagConfig,
    "review": ReviewConfig,
    "apply": ApplyConfig,
    "quality": QualityConfig,
    "runs": RunsConfig,
    "latest": LatestConfig,
    "index": IndexConfig,
    "similar": SimilarConfig,
    "retrieval": RetrievalConfig,
    "duplicates": DuplicatesConfig,
    "audit": AuditConfig,
    "evaluate": EvaluateConfig,
    "bench": BenchConfig,
}
