"""The examples in the docstrings of what Python users call."""

import ast
import importlib
import inspect
import pkgutil
import re
import textwrap
from collections.abc import Callable, Iterator
from types import FunctionType

import pytest

import tagger.workflows
from tagger.schemas.values import JobConfig

_EXAMPLE = re.compile(r"^Example::\n\n(?P<code>(?: {4}.*\n|\n)+)", re.MULTILINE)


def examples() -> Iterator[tuple[str, str]]:
    """The name and the code of every example of a workflow."""
    for module in pkgutil.iter_modules(tagger.workflows.__path__):
        named = importlib.import_module(f"tagger.workflows.{module.name}")
        for name, function in vars(named).items():
            if isinstance(function, FunctionType) and function.__module__ == named.__name__:
                for example in _EXAMPLE.finditer(f"{inspect.getdoc(function) or ''}\n"):
                    yield f"{module.name}.{name}", textwrap.dedent(example["code"])


@pytest.mark.parametrize(("name", "code"), list(examples()), ids=lambda value: value if "\n" not in value else "")
def test_an_example_asks_for_settings_that_its_config_has(name: str, code: str) -> None:
    configs: dict[str, type[JobConfig]] = {}
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            module = importlib.import_module(node.module)
            found: dict[str, Callable[..., object]] = {alias.name: getattr(module, alias.name) for alias in node.names}
            configs |= {n: c for n, c in found.items() if isinstance(c, type) and issubclass(c, JobConfig)}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    built = [(configs[call.func.id], call) for call in calls if call.func.id in configs]  # type: ignore[attr-defined]
    assert built, f"{name}: the example builds no config"
    for config, call in built:
        assert {keyword.arg for keyword in call.keywords} <= set(config.model_fields)
