"""Identity of a training: the settings and the catalogue that determine its result."""

import json
from collections.abc import Mapping

from tagger.errors import UsageError
from tagger.io.location import Location
from tagger.schemas.configs.train import TrainConfig
from tagger.schemas.values import separate_names

_DEFAULTS = {name: field.default for name, field in TrainConfig.model_fields.items()} | {"split": "stratified"}
"""Values that older bundles were trained with, for settings whose default has changed."""
_NO_MATTER = {
    "recipe", "ray_address", "device", "workers", "store_concurrency", "http_per_host", "http_timeout", "out",
}  # fmt: skip
"""Settings that affect the place or speed of a training, not its model; a recipe counts by its settings."""


def identity_of(config: TrainConfig, manifest: str) -> dict[str, object]:
    """The settings of a training by name, with the fingerprint of its manifest instead of the path."""
    return {**config.model_dump(mode="json"), "manifest": manifest}


def check_same(before: Mapping[str, object], now: Mapping[str, object], holds: str, way_out: str) -> None:
    """Raise UsageError when a folder was begun with other settings.

    Args:
        before: The identity of the folder's training.
        now: The identity of the requested training.
        holds: The folder and its content, for the message.
        way_out: What to do, for the message.
    """
    if differing := differing_settings(before, now):
        raise UsageError(f"--out: {holds} with another {', '.join(differing)}; {way_out}")


def claim(work: Location, identity: Mapping[str, object], begun: Location) -> None:
    """Store the identity of a training, so that another config cannot resume its checkpoints.

    Args:
        work: The training's working folder.
        identity: The identity of the training.
        begun: Exists once training has begun; before that, another training may take over the folder.

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
    """Names of the settings that differ; a setting missing in an older version counts as its default."""
    names = {*before, *now} - _NO_MATTER
    return sorted(n for n in names if _setting(before, n) != _setting(now, n))


def _setting(identity: Mapping[str, object], name: str) -> object:
    value = identity.get(name, _DEFAULTS.get(name))
    return separate_names(value) if name == "title" else value  # one column or null, in earlier versions
