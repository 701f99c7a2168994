"""Paths of one machine in a job that runs on several."""

import re
from collections.abc import Iterator
from pathlib import Path

from tagger.errors import UsageError
from tagger.reporter import Reporter
from tagger.schemas.configs.options import RayOptions

_BY_WORKERS = ("images", "images_root", "out")
"""What workers read and write; the command alone reads all other files, and sends what is in them."""
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_COLUMN = "column:"


def check_local_paths(options: RayOptions, nodes: int, reporter: Reporter) -> None:
    """Warn of paths that workers on other nodes may not find; a folder that all nodes share is a good reason for one.

    Args:
        options: A job's config.
        nodes: How many machines Ray runs on.
        reporter: Gets at most one line.

    Raises:
        UsageError: for a path that is relative: to what, nobody can know on another machine.
    """
    paths = dict(_local_paths(options)) if nodes > 1 else {}
    for flag, path in paths.items():
        if not Path(path).expanduser().is_absolute():
            raise UsageError(
                f"{flag} {path}: is a relative path, and Ray runs on {nodes} machines; name the full path of a folder "
                "that all of them share, or an s3:// address"
            )
    if paths:
        named = " and ".join(f"{flag} {path}" for flag, path in paths.items())
        others = "the other node looks" if nodes == 2 else f"the other {nodes - 1} nodes look"
        which, what = ("lies", "it") if len(paths) == 1 else ("lie", "them")
        reporter.warn(
            f"{named} {which} on this machine; {others} for {what} there, too: a shared folder or s3:// is needed"
        )


def _local_paths(options: RayOptions) -> Iterator[tuple[str, str]]:
    """Flags and paths of a config that workers use."""
    images = getattr(options, "images", None)
    manifest = getattr(options, "manifest", None)
    if manifest and (images is None or images.startswith(_COLUMN)):  # then the images lie in it or beside it
        yield from _if_local("--manifest", manifest)
    for name in _BY_WORKERS:
        yield from _if_local(f"--{name.replace('_', '-')}", getattr(options, name, None))


def _if_local(flag: str, path: str | None) -> Iterator[tuple[str, str]]:
    local = (path or "").removeprefix("file://")
    if local and not local.startswith(_COLUMN) and not _ADDRESS.match(local):
        yield flag, local
