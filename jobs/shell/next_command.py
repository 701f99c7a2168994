"""The last line of a command's output: the next command, ready to paste."""

import shlex

from tagger.schemas.configs.options import CatalogOptions, S3Options
from tagger.workflows.as_flags import catalogue_flags

UNKNOWN = "…"
"""A value of a flag that the user has to fill in."""
TARGETS = {"articleType": 0.95, "masterCategory": 0.98}
"""The target precisions that are proposed."""


def next_line(config: S3Options, *words: str) -> str:
    """`Next: tagger …`, as `command_line` has it.

    Args:
        config: The config of the finished command.
        words: The next command's name and arguments.
    """
    return f"Next: {command_line(config, *words)}"


def command_line(config: S3Options, *words: str) -> str:
    """A command of tagger, ready to paste, with the S3 endpoint if the config names one.

    Args:
        config: The config of the finished command.
        words: The command's name and arguments; they are quoted for a shell.
    """
    for flag, value in (("--s3-endpoint", config.s3_endpoint), ("--s3-region", config.s3_region)):
        words += (flag, value) if value and flag not in words else ()
    return f"tagger {' '.join(word if word == UNKNOWN else shlex.quote(word) for word in words)}"


def next_policy(config: S3Options, bundle: str) -> str:
    """`Next: tagger policy BUNDLE …` with the proposed targets.

    Args:
        config: The config of the finished command.
        bundle: The bundle's folder.
    """
    targets = ",".join(f"{level}={precision:g}" for level, precision in TARGETS.items())
    return next_line(config, "policy", bundle, "--target-precision", targets)


def next_on_catalogue(config: CatalogOptions, command: str, *words: str) -> str:
    """`Next: tagger …` for the catalogue of the finished command, with the same settings.

    Args:
        config: The config of the finished command.
        command: The next command.
        words: Its other arguments; they are quoted for a shell.
    """
    return f"Next: {shlex.join(['tagger', command, *catalogue_flags(config.model_dump()), *words])}"
