"""A job holds the folder that it writes to, so that a second one with the same folder is refused."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from tagger.io.location import Location
from tagger.io.lock import holding
from tagger.models.bundle import Bundle
from tagger.schemas.values import JobConfig

Config = TypeVar("Config", bound=JobConfig)
More = ParamSpec("More")
Result = TypeVar("Result")


def holds_out(run: Callable[Concatenate[Config, More], Result]) -> Callable[Concatenate[Config, More], Result]:
    """Have a job hold its `--out` while it runs; one that was given none holds nothing.

    Raises:
        UsageError: when another process holds it, or it cannot be written to.
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
def holding_bundle(folder: Location) -> Iterator[Bundle]:
    """Hold a bundle's folder while the bundle is read, changed and written; who only reads a bundle holds nothing.

    Raises:
        UsageError: when there is none, another process holds it, or it cannot be written to.
        InputError: when it is not a bundle.
    """
    Bundle.load(folder, "--model")  # holding would make the folder that a wrong path names
    with holding(folder, "--model"):
        yield Bundle.load(folder, "--model")  # as the last holder left it
