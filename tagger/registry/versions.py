"""A named model: a folder of versions that never change, and aliases that name one of them."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeVar

from pydantic import BaseModel, ValidationError

from tagger.errors import InputError, UsageError
from tagger.io.location import Location
from tagger.machine import user_name
from tagger.models.bundle import CARD, Bundle
from tagger.schemas.documents.engine import ENGINE_FILE
from tagger.schemas.documents.registry import AliasChange, Aliases, ModelVersion
from tagger.schemas.wording import listed

VERSION, ALIASES = "version.json", "aliases.json"
CHAMPION = "champion"
_VERSION = re.compile(r"v([1-9]\d*)")
_REFERENCE = re.compile(r"(?P<name>.*[^/@])@(?P<which>[a-z][a-z0-9_-]*)")

Document = TypeVar("Document", bound=BaseModel)


@dataclass(frozen=True)
class NamedModel:
    """A named model, as `MODELS/NAME`."""

    root: Location

    def versions(self) -> list[ModelVersion]:
        """Its versions, the oldest first; what was never whole is left out. Raises InputError for a broken one."""
        folders = [folder for folder in self.root.children().folders if _VERSION.fullmatch(folder.name)]
        found = [_read(folder / VERSION, ModelVersion) for folder in folders]
        return sorted((version for version in found if version), key=lambda version: _number(version.version))

    def aliases(self) -> Aliases:
        """Its aliases, and how they came about. Raises InputError when they cannot be read."""
        return _read(self.root / ALIASES, Aliases) or Aliases()

    def folder(self, version: str) -> Location:
        """The folder of a version, which is a bundle."""
        return self.root / version

    def find(self, which: str, flag: str) -> ModelVersion:
        """A version, by its own name or an alias.

        Raises:
            UsageError: when there is none.
            InputError: when it was changed after it was added.
        """
        versions = {version.version: version for version in self.versions()}
        aliases = self.aliases().aliases
        found = versions.get(aliases.get(which, which))
        if found is None:
            there = listed([*aliases, *versions]) if versions else "no version yet"
            raise UsageError(f"{flag}: {self.root} has no {which}; it has {there}")
        card = self.folder(found.version) / CARD
        if hashlib.sha256(card.read_bytes()).hexdigest() != found.digests.get(CARD):
            raise InputError(f"{flag}: {card} was changed after it was added, and versions never change; add it anew")
        return found

    def add(self, bundle: Location, note: str = "") -> tuple[ModelVersion, bool]:
        """Copy a bundle as the next version, which is complete once its `version.json` is there.

        The caller holds the folder's lock.

        Returns:
            The version, and whether it is new: a bundle with the same files is not copied again.

        Raises UsageError or InputError when it is not a bundle.
        """
        card = Bundle.load(bundle, "--model").card
        below = len(bundle.path) + 1
        files = {file.path[below:]: file for file in bundle.files() if file.path[below:] not in (VERSION, ENGINE_FILE)}
        digests = {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in files.items()}
        versions = self.versions()
        for version in versions:
            if version.digests == digests:
                return version, False
        name = f"v{max((_number(version.version) for version in versions), default=0) + 1}"
        folder = self.folder(name)
        folder.delete()  # what was left by one that was killed
        for path, file in files.items():
            (folder / path).write_bytes(file.read_bytes())
        version = ModelVersion(
            version=name, model_id=card.model_id, source=bundle.uri, added_at=datetime.now(UTC), added_by=user_name(),
            note=note, digests=digests,
        )  # fmt: skip
        (folder / VERSION).write_text(version.model_dump_json(by_alias=True, indent=2))
        return version, True

    def point(
        self,
        alias: str,
        version: str,
        action: Literal["promote", "rollback"],
        comparison: str | None = None,
        note: str = "",
    ) -> str | None:
        """Let an alias name a version; the caller holds the folder's lock.

        Returns:
            What it named before.
        """
        known = self.aliases()
        before = known.aliases.get(alias)
        if before == version:
            return before
        change = AliasChange(
            alias=alias, action=action, version=version, before=before, at=datetime.now(UTC), by=user_name(),
            comparison=comparison, note=note,
        )  # fmt: skip
        changed = Aliases(aliases={**known.aliases, alias: version}, history=(*known.history, change))
        (self.root / ALIASES).write_text(changed.model_dump_json(by_alias=True, indent=2))
        return before

    def is_one(self) -> bool:
        """Whether there is a named model here."""
        return (self.root / ALIASES).exists() or bool(self.root.is_dir() and self.versions())


def named_in(folder: Location) -> list[NamedModel]:
    """The named models that a folder is or has, by name."""
    if NamedModel(folder).is_one():
        return [NamedModel(folder)]
    return [model for model in map(NamedModel, folder.children().folders) if model.is_one()]


def parsed(reference: str) -> tuple[str, str] | None:
    """A reference such as `models/fashion@champion` as name and version or alias; None for a plain path."""
    match = _REFERENCE.fullmatch(reference)
    return (match["name"], match["which"]) if match else None


def is_version(folder: Location) -> bool:
    """Whether a bundle is a version of a named model, which never changes."""
    return (folder / VERSION).exists()


def resolved(reference: str, locate: Callable[[str], Location], flag: str) -> str:
    """The bundle that a reference stands for; a path stays as it is.

    Args:
        reference: `models/fashion@champion`, `models/fashion@v2`, or the path of a bundle.
        locate: Makes a location of a path.
        flag: How messages name it.

    Raises:
        UsageError: when there is no such name, version or alias.
        InputError: when the version was changed.
    """
    named = parsed(reference)
    place = locate(reference)
    if named is None or (place / CARD).exists():
        if not (place / CARD).exists() and NamedModel(place).is_one():
            raise UsageError(f"{flag}: {reference} has several versions; name one, such as {reference}@{CHAMPION}")
        return reference
    name, which = named
    model = NamedModel(locate(name))
    if not model.root.exists():
        raise UsageError(f"{flag}: there is no model {model.root}")
    return f"{name}/{model.find(which, flag).version}"


def _number(version: str) -> int:
    match = _VERSION.fullmatch(version)
    return int(match[1]) if match else 0


def _read(file: Location, kind: type[Document]) -> Document | None:
    if not file.exists():
        return None
    try:
        return kind.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise InputError(f"{file} cannot be read: {error.errors()[0]['msg']}") from error
