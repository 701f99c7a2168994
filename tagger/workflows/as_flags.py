"""Settings as the flags of a command that a person can paste."""

from collections.abc import Iterable, Mapping

from tagger.schemas.configs.options import CatalogOptions

_FIRST = ("manifest", "images")


def catalogue_flags(settings: Mapping[str, object]) -> list[str]:
    """The flags that name a config's catalogue, for another command; not yet quoted.

    Args:
        settings: A config of CatalogOptions, dumped, or a bundle's record of one.
    """
    fields = CatalogOptions.model_fields
    chosen = {name: settings[name] for name in dict.fromkeys((*_FIRST, *fields)) if name in settings}
    defaults = {name: field.get_default(call_default_factory=True) for name, field in fields.items()}
    return flags_of((name, value) for name, value in chosen.items() if value != defaults[name] and value is not None)


def catalogue_settings(settings: Mapping[str, object]) -> dict[str, object]:
    """The settings of CatalogOptions among those of a config that was dumped, or of a record of one."""
    return {name: value for name, value in settings.items() if name in CatalogOptions.model_fields}


def flags_of(settings: Iterable[tuple[str, object]]) -> list[str]:
    """Settings as arguments of a command line, not yet quoted: `--name value`, repeated for lists."""
    words = []
    for name, value in settings:
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            words.append(flag if value else f"--no-{flag[2:]}")
            continue
        values = [f"{k}={v}" for k, v in value.items()] if isinstance(value, dict) else value
        words += [w for v in (values if isinstance(values, list | tuple) else [values]) for w in (flag, str(v))]
    return words
