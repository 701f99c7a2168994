"""Search spaces by name: settings that are worth trying, as a small YAML file each."""

from pathlib import Path

from pydantic import ValidationError

from schemas.search import SearchSpace
from tagger.errors import UsageError
from tagger.training.recipes import first_problem, read_yaml


def load(name: str) -> SearchSpace:
    """Read a space: one that comes with the project, or a YAML file of the same form.

    Raises:
        UsageError: when there is no such space, or the file is none.
    """
    _, _, found = read_yaml(name, Path(__file__).parent, "--space")
    try:
        return SearchSpace.model_validate(found)
    except ValidationError as error:
        raise UsageError(f"--space {name}: {first_problem(error)}") from error
