"""Stores the engine that was chosen for a bundle, so that later runs on such a machine need not measure again.

The file is `engine.json` in the bundle's folder, or one in the user's cache folder where the bundle is read-only or in
a bucket. It is not part of the model: the modelId does not depend on it.
"""

import hashlib
import importlib.metadata
import platform
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from tagger.engines.reference import MOST_CHECKED_IMAGES
from tagger.errors import WriteError
from tagger.io.caches import cache_folder
from tagger.io.location import Location
from tagger.schemas.documents.bundle import ModelCard
from tagger.schemas.documents.engine import ENGINE_FILE, MeasuredEngine, MeasuredEngines
from tagger.schemas.documents.run import EngineCheck

_LIBRARIES = ("torch", "openvino", "numpy")
_MAX_STORED = 16
_MORE = 2
"""Times as many images as a choice was measured on, with which it is measured again."""
_CPU_INFO = Path("/proc/cpuinfo")


def load_measured(bundle: Location, card: ModelCard, device: str, images: int) -> EngineCheck | None:
    """The engine that was chosen on a machine like this one with the same library versions; None without one.

    A choice by another policy of the model does not count, as other decisions were compared. Nor does one by much fewer
    images than there are now, unless it was by as many as are ever compared.

    Args:
        bundle: The bundle's folder.
        card: The card of the model that the bundle holds now.
        device: `cpu` or `cuda`.
        images: Number of images of the run.
    """
    sought = (card.model_id, _policy(card), device, _machine(device), _versions())
    for file in _files(bundle, card.model_id):
        for stored in _read(file):
            if (stored.model_id, stored.policy, stored.device, stored.machine, stored.versions) == sought:
                return stored.check if stored.offered >= min(images / _MORE, MOST_CHECKED_IMAGES) else None
    return None


def store_measured(bundle: Location, card: ModelCard, device: str, images: int, check: EngineCheck) -> None:
    """Store a choice that was measured on ENOUGH_IMAGES or more; where nothing can be written, it is not stored.

    Args:
        bundle: The bundle's folder.
        card: The model's card.
        device: `cpu` or `cuda`.
        images: Number of images of the run.
        check: The engine, and its agreement with float32 PyTorch.
    """
    measured = MeasuredEngine.model_validate(
        {
            "model_id": card.model_id,
            "policy": _policy(card),
            "device": device,
            "machine": _machine(device),
            "versions": _versions(),
            "offered": images,
            "check": check,
        }
    )
    for file in _files(bundle, card.model_id):
        others = [m for m in _read(file) if m.model_id == card.model_id and not _is_same_machine(m, measured)]
        document = MeasuredEngines(measured=(measured, *others[: _MAX_STORED - 1]))
        with suppress(WriteError):
            file.write_text(document.model_dump_json(by_alias=True, indent=2))
            return


def _files(bundle: Location, model_id: str) -> list[Location]:
    """The files that may hold the choice, the preferred one first."""
    cached = Location(str(cache_folder() / "engines" / f"{model_id}.json"))
    return [cached] if bundle.is_s3 or not bundle.is_dir() else [bundle / ENGINE_FILE, cached]


def _read(file: Location) -> tuple[MeasuredEngine, ...]:
    """The choices in a file; none where the file is missing or of another version."""
    try:
        return MeasuredEngines.model_validate_json(file.read_bytes()).measured
    except (OSError, ValidationError):
        return ()


def _is_same_machine(one: MeasuredEngine, other: MeasuredEngine) -> bool:
    return (one.device, one.machine) == (other.device, other.machine)


def _policy(card: ModelCard) -> str:
    return hashlib.sha256(card.policy.model_dump_json().encode()).hexdigest()[:16] if card.policy else ""


def _machine(device: str) -> str:
    """The model of this machine's processor or GPU; virtual machines call different processors by one name."""
    if device == "cuda":
        import torch

        return str(torch.cuda.get_device_name())
    fields = {}
    with suppress(OSError):
        first = _CPU_INFO.read_text().partition("\n\n")[0]
        fields = {
            name.strip(): value.strip() for name, _, value in (line.partition(":") for line in first.splitlines())
        }
    parts = [fields[name] for name in ("model name", "cpu family", "model", "stepping") if name in fields]
    return " ".join(parts) or platform.processor() or platform.machine()


def _versions() -> dict[str, str]:
    versions = {}
    for name in _LIBRARIES:
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions
