"""Opens what a config names: locations, the manifest and the image store."""

import importlib.metadata
import platform
from contextlib import suppress

from tagger.errors import UsageError
from tagger.images.stores import ImageStore, open_store
from tagger.io.completion import is_complete
from tagger.io.location import Location, first_line
from tagger.manifest.manifest import Manifest
from tagger.registry.versions import resolved
from tagger.reporter import Reporter
from tagger.schemas.configs.options import CatalogOptions, ManifestFormat, S3Options

_LIBRARIES = (
    "catalog-tagger",
    "numpy",
    "opencv-python-headless",
    "Pillow",
    "openvino",
    "ray",
    "simplejpeg",
    "torch",
    "torchvision",
)


def resolve_location(uri: str, options: S3Options) -> Location:
    """The location of a config's path or address."""
    return Location(uri, options.s3_endpoint, options.s3_region)


def resolve_model(name: str, options: S3Options, flag: str = "--model") -> Location:
    """The bundle that a config names: its path, or a name of a registry such as `models/fashion@champion`.

    Raises UsageError when there is no such name, version or alias; InputError when the version was changed.
    """
    return resolve_location(model_path(name, options, flag), options)


def model_path(name: str, options: S3Options, flag: str = "--model") -> str:
    """The path of the same, as it is now: an alias may name another version later."""
    return resolved(name, lambda path: resolve_location(path, options), flag)


def new_folder(uri: str, options: S3Options, flag: str = "--out") -> Location:
    """An empty folder to write to. Raises UsageError when it is not empty or not writable."""
    folder = resolve_location(uri, options)
    if folder.files() or is_complete(folder):
        raise UsageError(f"{flag}: {folder} is not empty; name a new folder")
    folder.check_writable(flag)
    return folder


def open_manifest(uri: str, options: ManifestFormat, reporter: Reporter, flag: str = "--manifest") -> Manifest:
    """Open a table of items; notices about how it is read become warnings. Raises UsageError or InputError."""
    manifest = Manifest(resolve_location(uri, options), options, flag)
    manifest.notices.listen(reporter.warn)
    return manifest


def open_catalog(config: CatalogOptions, reporter: Reporter) -> tuple[Manifest, ImageStore]:
    """Open the manifest and its image store; notices become warnings.

    Raises UsageError or InputError.
    """
    try:
        manifest = open_manifest(config.manifest, config, reporter)
        return manifest, open_store(config, manifest)
    except OSError as error:
        raise UsageError(f"{config.manifest} or {config.images} cannot be read: {first_line(error)}") from error


def versions() -> dict[str, str]:
    """Versions of Python and of the installed libraries that affect results."""
    versions_by_name = {"python": platform.python_version()}
    for name in _LIBRARIES:
        with suppress(importlib.metadata.PackageNotFoundError):  # a machine with GPUs needs no OpenVINO
            versions_by_name[name] = importlib.metadata.version(name)
    return versions_by_name


def catalogue_name(manifest: str) -> str:
    """A short name of a catalogue for a title: the last part of its manifest's path."""
    return manifest.rstrip("/").rpartition("/")[2] or manifest
