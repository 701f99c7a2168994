"""Checks a job on several machines for paths of one machine."""

import re
from collections.abc import Iterator
from pathlib import Path

from tagger.errors import UsageError
from tagger.reporter import Reporter
from tagger.schemas.configs.options import RayOptions

_WORKER_PATHS = ("images", "images_root", "out")
"""Options with paths that workers read or write. The command reads all other files, and sends their content."""
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_COLUMN = "column:"


def check_local_paths(options: RayOptions, nodes: int, reporter: Reporter) -> None:
    """Warn of local paths, which workers on other nodes may not find; a folder that all nodes share is fine.

    Args:
        options: A job's config.
        nodes: The number of machines that Ray runs on.
        reporter: Receives one warning at most.

    Raises:
        UsageError: for a relative path, which means nothing on another machine.
    """
    paths = dict(_local_paths(options)) if nodes > 1 else {}
    for flag, path in paths.items():
        if not Path(path).expanduser().is_absolute():
            raise UsageError(
                f"{flag} {path}: is a relative path, and Ray runs on {nodes} machines; name the full path of a folder "
                "that all of them share, or an s3:// address"
            )
    if paths:
        listed = " and ".join(f"{flag} {path}" for flag, path in paths.items())
        others = "the other node looks" if nodes == 2 else f"the other {nodes - 1} nodes look"
        which, what = ("lies", "it") if len(paths) == 1 else ("lie", "them")
        reporter.warn(
            f"{listed} {which} on this machine; {others} for {what} there, too: a shared folder or s3:// is needed"
        )


def _local_paths(options: RayOptions) -> Iterator[tuple[str, str]]:
    """The flags and local paths of a config that workers use."""
    images = getattr(options, "images", None)
    manifest = getattr(options, "manifest", None)
    if manifest and (images is None or images.startswith(_COLUMN)):  # then the images are in it or beside it
        yield from _if_local("--manifest", manifest)
    for name in _WORKER_PATHS:
        yield from _if_local(f"--{name.replace('_', '-')}", getattr(options, name, None))


def _if_local(flag: str, path: str | None) -> Iterator[tuple[str, str]]:
    local = (path or "").removeprefix("file://")
    if local and not local.startswith(_COLUMN) and not _ADDRESS.match(local):
        yield flag, local
