"""Which commands there are, and what each is asked for."""

from tagger.schemas.configs.audit import AuditConfig
from tagger.schemas.configs.bench import BenchConfig
from tagger.schemas.configs.check import CheckConfig
from tagger.schemas.configs.confidence import PolicyConfig, QualityConfig, TitlesConfig
from tagger.schemas.configs.demo import DemoConfig
from tagger.schemas.configs.evaluate import EvaluateConfig
from tagger.schemas.configs.review import ApplyConfig, ReviewConfig
from tagger.schemas.configs.similarity import DuplicatesConfig, IndexConfig, RetrievalConfig, SimilarConfig
from tagger.schemas.configs.tag import LatestConfig, RunsConfig, TagConfig
from tagger.schemas.configs.train import CombineConfig, RecipesConfig, ResultsConfig, TrainConfig, TuneConfig
from tagger.schemas.values import JobConfig

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
