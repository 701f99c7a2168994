"""The public list of the library: what `from tagger import …` offers, and nothing else."""

import importlib
import importlib.metadata
import inspect
import pkgutil
from types import FunctionType

import pytest

import tagger
from tagger.reporter import Reporter
from tagger.schemas.values import JobConfig

FUNCTIONS = {
    "check": "CheckConfig",
    "train": "TrainConfig",
    "tag": "TagConfig",
    "evaluate": "EvaluateConfig",
    "fit_policy": "PolicyConfig",
    "apply": "ApplyConfig",
    "export": "ExportConfig",
    "rollback": "RollbackConfig",
    "check_drift": "DriftConfig",
    "score_suppliers": "SuppliersConfig",
    "build_index": "IndexConfig",
    "find_similar": "SimilarConfig",
    "duplicates": "DuplicatesConfig",
    "audit": "AuditConfig",
    "pack": "PackConfig",
}
RESULTS = {
    "CheckResult", "TrainResult", "TagResult", "EvaluateResult", "PolicyResult", "ApplyResult", "ExportResult",
    "RollbackResult", "DriftResult", "SuppliersResult", "IndexResult",
    "SimilarResult", "DuplicatesResult", "AuditResult", "PackResult",
}  # fmt: skip
NAMES_IN_RESULTS = {"Level", "TagState", "Outcome"}
ERRORS = {"TaggerError", "UsageError", "InputError", "HoldError"}


def test_the_public_list_is_these_names_and_no_others() -> None:
    assert set(tagger.__all__) == {
        "Tagger", "Reporter", "__version__", *ERRORS, *FUNCTIONS, *FUNCTIONS.values(), *RESULTS, *NAMES_IN_RESULTS
    }  # fmt: skip
    assert dir(tagger) == sorted(tagger.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'untold'"):
        _ = tagger.untold  # type: ignore[attr-defined]


def test_no_public_name_is_that_of_a_module() -> None:
    """Importing a module sets its name in the package, and would put it in place of the function."""
    modules = {module.name for module in pkgutil.iter_modules(tagger.__path__)}
    assert not modules & set(tagger.__all__)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_public_function_takes_its_commands_config_and_says_all_of_itself(name: str) -> None:
    function = getattr(tagger, name)
    assert isinstance(function, FunctionType)
    config = getattr(tagger, FUNCTIONS[name])
    assert issubclass(config, JobConfig)
    annotations = inspect.get_annotations(function)
    assert annotations.keys() == {"config", "reporter", "return"}
    assert (annotations["config"], annotations["reporter"]) == (config, Reporter)
    assert annotations["return"] is getattr(tagger, annotations["return"].__name__), "a caller can name what it gets"
    assert annotations["return"].__name__ in RESULTS
    sections = [line for line in (inspect.getdoc(function) or "").splitlines() if line.endswith(":")]
    assert [s for s in sections if s in _SECTIONS] == _SECTIONS, f"{name} has {sections}"
    module = importlib.import_module(annotations["return"].__module__)
    for attribute, thing in vars(annotations["return"]).items():
        if isinstance(thing, property):
            assert inspect.getdoc(thing), f"{module.__name__}.{attribute}"


_SECTIONS = ["Args:", "Returns:", "Raises:", "Example::"]


def test_public_classes_are_documented() -> None:
    for name in ("Tagger", "Reporter", *ERRORS, *FUNCTIONS.values(), *RESULTS, *NAMES_IN_RESULTS):
        assert inspect.getdoc(getattr(tagger, name)), name
    for name, method in vars(tagger.Tagger).items():
        if not name.startswith("_"):
            assert inspect.getdoc(method), name


def test_the_version_is_that_of_the_installation() -> None:
    assert tagger.__version__ == importlib.metadata.version("catalog-tagger")
