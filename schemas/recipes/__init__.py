"""Built-in recipes, one small, documented YAML file each."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from tagger.schemas.configs.learning import Learning
from tagger.schemas.wording import did_you_mean, in_words

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Recipe:
    """Settings of a training by field name, and their description."""

    name: str
    description: str
    settings: dict[str, Any]
    text: str
    """The file, with its comments."""


def names() -> list[str]:
    """Names of the built-in recipes."""
    return sorted(file.stem for file in _FOLDER.glob("*.yaml"))


def read(name: str) -> Recipe:
    """Read a recipe: one of `names()`, or a YAML file of the same form.

    Raises:
        ValueError: when there is no such recipe, or the file is none.
    """
    file, text, settings = read_yaml(name, _FOLDER)
    description = str(settings.pop("description", ""))
    try:
        Learning.model_validate(settings)
    except ValidationError as error:
        raise ValueError(first_problem(error)) from error
    return Recipe(file.stem, description, settings, text)


def read_yaml(name: str, folder: Path) -> tuple[Path, str, dict[str, Any]]:
    """Read a YAML file of keys: one of a folder's, by name, or one of the user's; path, text and keys.

    Raises:
        ValueError: when there is none, or it is not such a file.
    """
    known = sorted(file.stem for file in folder.glob("*.yaml"))
    if name in known:
        file = folder / f"{name}.yaml"
    elif name.endswith((".yaml", ".yml")):
        file = Path(name).expanduser()
    else:
        raise ValueError(f"there is no such one; there are {', '.join(known)}, or FILE.yaml")
    try:
        text = file.read_text(encoding="utf-8")
        keys = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(keys, dict):
        raise ValueError("holds no settings")
    return file, text, keys


def first_problem(error: ValidationError) -> str:
    """The first error of a validation, in a line."""
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"])) or "the settings"
    if first["type"] == "extra_forbidden":
        return f"unknown setting {where!r}{did_you_mean(where, Learning.model_fields)}"
    return f"{where}: {in_words(first)}"
