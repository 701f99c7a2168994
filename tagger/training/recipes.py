"""Reads recipes and search spaces for commands; error messages name the flag."""

from pathlib import Path
from typing import Any

from tagger.errors import UsageError
from tagger.schemas import recipes
from tagger.schemas.configs.learning import Learning
from tagger.schemas.configs.train import TrainConfig
from tagger.schemas.recipes import Recipe, first_problem, names

__all__ = ["Recipe", "first_problem", "in_words", "load", "names", "read_yaml"]


def load(name: str) -> Recipe:
    """Read a recipe: one of `names()`, or a YAML file of the same form.

    Raises:
        UsageError: when there is no such recipe, or the file is none.
    """
    try:
        return recipes.read(name)
    except ValueError as error:
        raise UsageError(f"--recipe {name}: {error}") from error


def read_yaml(name: str, folder: Path, flag: str) -> dict[str, Any]:
    """Read a YAML file of keys: a built-in one, by name, or one of the user's.

    Raises:
        UsageError: that names the flag, when there is none, or it is not such a file.
    """
    try:
        return recipes.read_yaml(name, folder)[2]
    except ValueError as error:
        raise UsageError(f"{flag} {name}: {error}") from error


def in_words(config: TrainConfig) -> str:
    """The recipe of a training with the settings that override it, such as `standard, with epochs 3`."""
    recipe = Learning.model_validate(load(config.recipe).settings)
    changed = {n: getattr(config, n) for n in Learning.model_fields if getattr(config, n) != getattr(recipe, n)}
    return ", ".join([config.recipe, *(["with " + _listed(changed)] if changed else [])])


def _listed(settings: dict[str, Any]) -> str:
    texts = {name: f"{value:g}" if isinstance(value, float) else str(value) for name, value in settings.items()}
    return ", ".join(f"{name} {text}" for name, text in texts.items())
