"""Built-in search spaces, one small YAML file each."""

from pathlib import Path

from pydantic import ValidationError

from tagger.errors import UsageError
from tagger.schemas.configs.learning import Learning
from tagger.schemas.configs.search import SearchSpace
from tagger.training.recipes import first_problem, read_yaml

_EXAMPLE = "tagger schema space describes the file, with examples"


def load(name: str) -> SearchSpace:
    """Read a space: a built-in one, or a YAML file of the same form.

    Raises:
        UsageError: when there is no such space, or the file is none.
    """
    document = read_yaml(name, Path(__file__).parent, "--space")
    misplaced = sorted(set(document) & set(Learning.model_fields))
    if "space" not in document or misplaced:
        stands = f"; {', '.join(misplaced)} stands beside it" if misplaced else ""
        raise UsageError(
            f"--space {name}: the settings to try stand below `space:`, such as `space: {{lr: [0.001, 0.003]}}`, "
            f"the fixed ones below `set:`, their recipe is `recipe: standard`{stands}; {_EXAMPLE}"
        )
    try:
        return SearchSpace.model_validate(document)
    except ValidationError as error:
        raise UsageError(f"--space {name}: {first_problem(error)}; {_EXAMPLE}") from error
