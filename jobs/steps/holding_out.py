"""A job holds the folder that it writes to, so that a second one with the same folder is refused."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import TypeVar

from tagger.io.location import Location
from tagger.io.lock import holding
from tagger.jobs.shell.console import Console
from tagger.models.bundle import Bundle
from tagger.schemas.values import JobConfig

Config = TypeVar("Config", bound=JobConfig)
Job = Callable[[Config, Console], int]


def holds_out(run: Job[Config]) -> Job[Config]:
    """Have a job hold its `--out` while it runs; one that was given none holds nothing.

    Raises:
        UsageError: when another process holds it, or it cannot be written to.
    """

    @wraps(run)
    def held(config: Config, console: Console) -> int:
        out = getattr(config, "out", None)
        if not out:
            return run(config, console)
        with holding(Location(out, getattr(config, "s3_endpoint", None), getattr(config, "s3_region", None))):
            return run(config, console)

    return held


@contextmanager
def holding_bundle(folder: Location) -> Iterator[Bundle]:
    """Hold a bundle's folder while the bundle is read, changed and written; who only reads a bundle holds nothing.

    Raises:
        UsageError: when there is none, another process holds it, or it cannot be written to.
        InputError: when it is not a bundle.
    """
    Bundle.load(folder, "BUNDLE")  # holding would make the folder that a wrong path names
    with holding(folder, "BUNDLE"):
        yield Bundle.load(folder, "BUNDLE")  # as the last holder left it
