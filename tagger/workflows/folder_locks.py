"""A job locks the folder that it writes to, so that a second job with the same folder is refused."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from tagger.errors import UsageError
from tagger.io.location import Location
from tagger.io.lock import holding
from tagger.models.bundle import Bundle
from tagger.registry.versions import is_version
from tagger.schemas.values import JobConfig

Config = TypeVar("Config", bound=JobConfig)
More = ParamSpec("More")
Result = TypeVar("Result")


def locks_out(run: Callable[Concatenate[Config, More], Result]) -> Callable[Concatenate[Config, More], Result]:
    """Decorate a job: it locks its `--out` while it runs, if it has one.

    Raises:
        UsageError: when another process holds the lock, or the folder is not writable.
    """

    @wraps(run)
    def held(config: Config, /, *more: More.args, **named: More.kwargs) -> Result:
        out = getattr(config, "out", None)
        if not out:
            return run(config, *more, **named)
        with holding(Location(out, getattr(config, "s3_endpoint", None), getattr(config, "s3_region", None))):
            return run(config, *more, **named)

    return held


@contextmanager
def locked_bundle(folder: Location) -> Iterator[Bundle]:
    """Lock a bundle's folder while the bundle is read, changed and written; readers need no lock.

    Raises:
        UsageError: when there is no bundle, it is a version of a named model, another process holds the lock, or the
            folder is not writable.
        InputError: when it is not a bundle.
    """
    if is_version(folder):
        raise UsageError(
            f"--model: {folder} is a version of {folder.parent.name}, and versions never change; change a bundle, and "
            "add it with tagger models add"
        )
    Bundle.load(folder, "--model")  # the lock would create the folder of a mistyped path
    with holding(folder, "--model"):
        yield Bundle.load(folder, "--model")  # as the last process left it
