"""Describes how a command differs from the run in its folder: flags, bundle, manifest."""

import json
from collections.abc import Mapping

from tagger.schemas.documents.run import RunRecord

_NOTHING: tuple[object, ...] = (None, "", [], {}, False)


def differences(before: RunRecord, config: Mapping[str, object], inputs: Mapping[str, str]) -> list[str]:
    """Differences between a command and the run in its folder, each as a phrase.

    Args:
        before: The run's record.
        config: The command's config, in the form of the record.
        inputs: The inputs of the fingerprint, by name.
    """
    names = sorted(name for name in {*inputs, *before.inputs} if inputs.get(name) != before.inputs.get(name))
    return [_phrase(name, before, config, inputs) for name in names]


def _phrase(name: str, before: RunRecord, config: Mapping[str, object], inputs: Mapping[str, str]) -> str:
    was, now = before.config.get(name), config.get(name)
    flag = f"--{name.replace('_', '-')}"
    if name in config and was != now:
        return f"{flag} was {_said(was)} and is {_said(now)}"
    match name:
        case "accept_above":
            return f"the bundle's policy has changed since ({_thresholds(before.inputs, inputs)})"
        case "evidence":
            return "what the bundle knows of titles and columns has changed since"
        case "attributes":
            return "what the bundle knows of further tags, or what they are read from, has changed since"
        case "manifest":
            return f"what {flag} {_said(now)} holds has changed since"
        case "model":
            return f"{flag} {_said(now)} holds another model since ({before.inputs.get(name)}, now {inputs.get(name)})"
        case "qa_sample":
            return f"--seed was {_said(before.config.get('seed'))} and is {_said(config.get('seed'))}"
        case _:
            return f"{flag} was {_said(_read(before.inputs.get(name)))} and is {_said(_read(inputs.get(name)))}"


def _thresholds(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """The thresholds of the levels, before and now; those of classes if only they differ."""
    old, new = (_read(inputs.get("accept_above")) for inputs in (before, now))
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return "other thresholds"
    others = new.get("others", {})
    kinds = [("", old, new), *((f" by {e}", old.get("others", {}).get(e, {}), others[e]) for e in others)]
    pairs = [
        (f"{level}{kind}", before_.get("levels", {}).get(level), after.get("levels", {}).get(level))
        for kind, before_, after in kinds
        for level in after.get("levels", {})
    ]
    changed = [f"{level} from {_rounded(was)} to {_rounded(now)}" for level, was, now in pairs if was != now]
    tags, tags_now = (policies.get("attributes", {}) for policies in (old, new))
    changed += [f"further tag {name}" for name in sorted({*tags, *tags_now}) if tags.get(name) != tags_now.get(name)]
    return ", ".join(changed) or "thresholds of single classes"


def _rounded(threshold: object) -> str:
    return f"{threshold:.4g}" if isinstance(threshold, int | float) else "none"


def _read(text: str | None) -> object:
    """An input, parsed from text."""
    try:
        return None if text is None else json.loads(text)
    except ValueError:
        return text


def _said(value: object) -> str:
    """A setting's value as written in a command."""
    if value in _NOTHING:
        return "not given"
    if value is True:
        return "given"
    if isinstance(value, Mapping):
        return ",".join(f"{key}={entry}" for key, entry in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
