"""The line with which a command ends: what a person would do next, ready to be pasted."""

import shlex

from tagger.schemas.configs.options import CatalogOptions, S3Options
from tagger.workflows.as_flags import catalogue_flags


def next_line(config: S3Options, *words: str) -> str:
    """`Next: tagger …`, with the bucket's address where the config names one.

    Args:
        config: What the command that ends was asked for.
        words: The command's name, and its arguments as they are; they are quoted where a shell needs it.
    """
    for flag, value in (("--s3-endpoint", config.s3_endpoint), ("--s3-region", config.s3_region)):
        words += (flag, value) if value and flag not in words else ()
    return f"Next: tagger {shlex.join(words)}"


def next_on_catalogue(config: CatalogOptions, command: str, *words: str) -> str:
    """`Next: tagger …` for the catalogue of the command that ends, read as that command read it.

    Args:
        config: What the command that ends was asked for.
        command: The one to go on with.
        words: Its other arguments; they are quoted where a shell needs it.
    """
    return f"Next: {shlex.join(['tagger', command, *catalogue_flags(config.model_dump()), *words])}"
