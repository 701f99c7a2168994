"""Which training a folder holds: the settings and the catalogue that decide what comes of it."""

import json
from collections.abc import Mapping

from tagger.errors import UsageError
from tagger.io.location import Location
from tagger.schemas.configs.train import TrainConfig

_DEFAULTS = {name: field.default for name, field in TrainConfig.model_fields.items()} | {"split": "stratified"}
"""What bundles from before a setting were trained with: its default, but where that is another now."""
_NO_MATTER = {
    "recipe", "ray_address", "device", "workers", "store_concurrency", "http_per_host", "http_timeout", "out",
}  # fmt: skip
"""Settings that change where and how quickly a model is trained, not which; a recipe counts by what it sets."""


def identity_of(config: TrainConfig, manifest: str) -> dict[str, object]:
    """The settings of a training by name, with the fingerprint of its manifest in place of the path."""
    return {**config.model_dump(mode="json"), "manifest": manifest}


def check_same(before: Mapping[str, object], now: Mapping[str, object], holds: str, way_out: str) -> None:
    """Raise UsageError when a folder was begun with other settings than it is asked for now.

    Args:
        before: The identity of what the folder holds.
        now: That of what is asked for.
        holds: The folder and what it holds, for the message.
        way_out: What to do, for the message.
    """
    if differing := differing_settings(before, now):
        raise UsageError(f"--out: {holds} with another {', '.join(differing)}; {way_out}")


def claim(work: Location, identity: Mapping[str, object], begun: Location) -> None:
    """Note what is being trained, so that another config does not go on with its checkpoints.

    Args:
        work: The training's folder of what lies around meanwhile.
        identity: What is trained.
        begun: What is there once something was learnt; before that, another training takes the folder over.

    Raises:
        UsageError: when the folder holds checkpoints of another training.
    """
    note = work / "config.json"
    if note.exists():
        before = json.loads(note.read_bytes())
        if begun.exists():
            way_out = f"name a new folder, or delete {work}"
            check_same(before, identity, f"{work.parent} holds an unfinished training", way_out)
        elif differing_settings(before, identity):
            work.delete()
    note.write_text(json.dumps(identity))


def differing_settings(before: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """Names of the settings that differ; one that an earlier version did not know had its default then."""
    names = {*before, *now} - _NO_MATTER
    return sorted(n for n in names if before.get(n, _DEFAULTS.get(n)) != now.get(n, _DEFAULTS.get(n)))
