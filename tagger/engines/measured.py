"""The engine that was last chosen for a bundle by many images: kept for those who have too few to choose by.

It lies in `engine.json` of the bundle's folder, or in the user's cache folder where the bundle cannot be written to or
is in a bucket. It is no part of the model: the modelId does not depend on it.
"""

import importlib.metadata
import os
import platform
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from tagger.errors import WriteError
from tagger.io.location import Location
from tagger.schemas.documents.engine import MeasuredEngine, MeasuredEngines
from tagger.schemas.documents.run import EngineCheck

ENGINE_FILE = "engine.json"
_LIBRARIES = ("torch", "openvino", "numpy")
_MOST_KEPT = 16
_CPU_INFO = Path("/proc/cpuinfo")


def last_measured(bundle: Location, model_id: str, device: str) -> EngineCheck | None:
    """The engine that was last chosen on a machine like this one, with the same libraries; None where none is known.

    Args:
        bundle: The bundle's folder.
        model_id: Of the model that it holds now.
        device: `cpu` or `cuda`.
    """
    machine, versions = _machine(device), _versions()
    for file in _files(bundle, model_id):
        for stored in _read(file):
            if (stored.model_id, stored.device, stored.machine, stored.versions) == (
                model_id,
                device,
                machine,
                versions,
            ):
                return stored.check
    return None


def keep_measured(bundle: Location, model_id: str, device: str, check: EngineCheck) -> None:
    """Keep a choice that many images showed to be right; where nothing can be written, it is not kept.

    Args:
        bundle: The bundle's folder.
        model_id: Of the model.
        device: `cpu` or `cuda`.
        check: The engine, and how far it agreed with float32 PyTorch.
    """
    measured = MeasuredEngine.model_validate(
        {
            "model_id": model_id,
            "device": device,
            "machine": _machine(device),
            "versions": _versions(),
            "check": check,
        }
    )
    for file in _files(bundle, model_id):
        others = [k for k in _read(file) if k.model_id == model_id and not _one_machine(k, measured)]
        document = MeasuredEngines(measured=(measured, *others[: _MOST_KEPT - 1]))
        with suppress(WriteError):
            file.write_text(document.model_dump_json(by_alias=True, indent=2))
            return


def _files(bundle: Location, model_id: str) -> list[Location]:
    """Where the choice may lie, the best place first."""
    caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 - no home, no error
    cached = Location(str(Path(caches) / "catalog-tagger/engines" / f"{model_id}.json"))
    return [cached] if bundle.is_s3 or not bundle.is_dir() else [bundle / ENGINE_FILE, cached]


def _read(file: Location) -> tuple[MeasuredEngine, ...]:
    """What is kept in a file; nothing where it is not there, or another version's."""
    try:
        return MeasuredEngines.model_validate_json(file.read_bytes()).measured
    except (OSError, ValidationError):
        return ()


def _one_machine(one: MeasuredEngine, other: MeasuredEngine) -> bool:
    return (one.device, one.machine) == (other.device, other.machine)


def _machine(device: str) -> str:
    """The model of this machine's processor or GPU."""
    if device == "cuda":
        import torch

        return str(torch.cuda.get_device_name())
    with suppress(OSError):
        for line in _CPU_INFO.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _versions() -> dict[str, str]:
    versions = {}
    for name in _LIBRARIES:
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions
