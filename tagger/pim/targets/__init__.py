"""The targets of exports, each a short description in YAML."""

import importlib.resources
from functools import cache

import yaml

from tagger.schemas.documents.target import Target


@cache
def load_target(name: str) -> Target:
    """A target's description. Raises LookupError for an unknown one."""
    file = importlib.resources.files(__name__) / f"{name}.yaml"
    if not file.is_file():
        raise LookupError(name)
    return Target.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
