"""The line with which a command ends: what a person would do next, ready to be pasted."""

import shlex

from tagger.schemas.configs.options import S3Options


def next_line(config: S3Options, *words: str) -> str:
    """`Next: tagger …`, with the bucket's address where the config names one.

    Args:
        config: What the command that ends was asked for.
        words: The command's name, and its arguments as they are; they are quoted where a shell needs it.
    """
    for flag, value in (("--s3-endpoint", config.s3_endpoint), ("--s3-region", config.s3_region)):
        words += (flag, value) if value and flag not in words else ()
    return f"Next: tagger {shlex.join(words)}"
