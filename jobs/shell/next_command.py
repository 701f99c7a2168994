"""The line with which a command ends: what a person would do next, ready to be pasted."""

import shlex

from tagger.schemas.configs.options import CatalogOptions, S3Options


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
    return f"Next: {shlex.join(['tagger', command, *_catalogue_flags(config), *words])}"


def _catalogue_flags(config: CatalogOptions) -> list[str]:
    words = ["--manifest", config.manifest, *(["--images", config.images] if config.images else [])]
    for name, field in CatalogOptions.model_fields.items():
        value = getattr(config, name)
        if name not in ("manifest", "images") and value != field.default:
            words += _flags(f"--{name.replace('_', '-')}", value)
    return words


def _flags(flag: str, value: object) -> list[str]:
    if isinstance(value, bool):
        return [flag] if value else [f"--no-{flag[2:]}"]
    values = [f"{key}={v}" for key, v in value.items()] if isinstance(value, dict) else value
    return [word for v in (values if isinstance(values, list) else [values]) for word in (flag, str(v))]
