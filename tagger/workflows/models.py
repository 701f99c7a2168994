"""Keeps bundles by name: adds versions, promotes one of them, and takes that back."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tagger.errors import InputError, UsageError
from tagger.io.location import Location
from tagger.io.lock import holding
from tagger.models.bundle import CARD
from tagger.registry.promotion import Change, change_in
from tagger.registry.versions import CHAMPION, NamedModel, named_in, parsed
from tagger.reporter import LOG, Reporter
from tagger.schemas.configs.models import ModelsConfig
from tagger.schemas.documents.bundle import ModelCard
from tagger.schemas.documents.registry import Aliases, ModelVersion
from tagger.workflows.compare import RESULT
from tagger.workflows.open_catalog import resolve_location, resolve_model

_FLAG = "MODEL"


@dataclass(frozen=True)
class ListedVersion:
    """One version of a named model, with what its card says."""

    version: ModelVersion
    card: ModelCard
    aliases: tuple[str, ...]
    """The aliases that name it."""


@dataclass(frozen=True)
class ListedModel:
    """A named model."""

    name: str
    versions: list[ListedVersion]
    aliases: Aliases


@dataclass(frozen=True)
class ModelChange:
    """What became of a named model."""

    root: Location
    version: ModelVersion
    is_new: bool = False
    """Whether a version was added."""
    alias: str | None = None
    """The alias that names the version now."""
    before: str | None = None
    """The version that the alias named before; None for its first one."""
    change: Change | None = None
    """What the comparison of a promotion shows."""
    mlflow: Mapping[str, str] = field(default_factory=dict)
    """MLflow's version numbers by ours, with `mlflow`."""


def list_models(config: ModelsConfig, reporter: Reporter = LOG) -> list[ListedModel]:
    """List the versions and aliases of a named model, or of all in a folder.

    Args:
        config: The name or the folder, as `model`.
        reporter: Where progress and warnings go.

    Returns:
        The named models, each with its versions, the oldest first.

    Raises:
        UsageError: when there is none.
        InputError: when a document of the registry cannot be read.

    Example::

        from tagger.schemas.configs.models import ModelsConfig

        for model in list_models(ModelsConfig(action="list", model="models/")):
            print(model.name, [version.version.version for version in model.versions])
    """
    folder = resolve_location(config.model, config)
    models = named_in(folder) if folder.exists() else []
    if not models:
        raise UsageError(
            f"{_FLAG}: {folder} has no named model; tagger models add BUNDLE --to {folder}/NAME begins one"
        )
    return [_listed(model) for model in models]


def _listed(model: NamedModel) -> ListedModel:
    aliases = model.aliases()
    versions = []
    for version in model.versions():
        card = ModelCard.model_validate_json((model.folder(version.version) / CARD).read_bytes())
        named = tuple(alias for alias, of in aliases.aliases.items() if of == version.version)
        versions.append(ListedVersion(version, card, named))
    return ListedModel(model.root.name, versions, aliases)


def add_model(config: ModelsConfig, reporter: Reporter = LOG) -> ModelChange:
    """Copy a bundle as the next version of a name; a bundle that is there already is not copied again.

    Args:
        config: The bundle as `model`, and the name as `to`.
        reporter: Where progress and warnings go.

    Returns:
        The version.

    Raises:
        UsageError: when there is no bundle, the alias is a champion's and taken, or another process holds the name.
        InputError: when it is not a bundle.

    Example::

        from tagger.schemas.configs.models import ModelsConfig

        added = add_model(ModelsConfig(action="add", model="bundle", to="models/fashion"))
        print(added.version.version)  # v1
    """
    bundle = resolve_model(config.model, config)
    model = NamedModel(resolve_location(str(config.to), config))
    if (model.root / CARD).exists():
        raise UsageError(f"--to: {model.root} is a bundle; a name is a folder of versions")
    with holding(model.root, "--to"):
        if config.alias == CHAMPION and CHAMPION in model.aliases().aliases:
            raise UsageError(f"--alias: {model.root} has a champion; tagger models promote replaces it")
        version, is_new = model.add(bundle, config.note or "")
        before = model.point(config.alias, version.version, "promote", note=config.note or "") if config.alias else None
    return ModelChange(model.root, version, is_new, config.alias, before, mlflow=_mirrored(model, config, reporter))


def promote_model(config: ModelsConfig, reporter: Reporter = LOG) -> ModelChange:
    """Let an alias name another version. Replacing the champion takes a comparison that shows no loss.

    Args:
        config: The version, as `models/fashion@v2`, and the comparison.
        reporter: Where progress and warnings go.

    Returns:
        The version, and what the alias named before.

    Raises:
        UsageError: when there is no such version, or the comparison is missing.
        InputError: when the comparison is about other models, or does not show that the new one is not worse.

    Example::

        from tagger.schemas.configs.models import ModelsConfig

        promote_model(ModelsConfig(action="promote", model="models/fashion@v2", comparison="comparison"))
    """
    named = parsed(config.model)
    if named is None:
        raise UsageError(f"{_FLAG}: {config.model} names no version; name one, such as {config.model}@v2")
    model, alias = _existing(named[0], config), config.alias or CHAMPION
    with holding(model.root, _FLAG):
        version = model.find(named[1], _FLAG)
        current = model.aliases().aliases.get(alias)
        change = None
        if alias == CHAMPION and current not in (None, version.version) and not config.without_comparison:
            change = _checked(config, model.find(str(current), _FLAG), version)
        before = model.point(alias, version.version, "promote", config.comparison, config.note or "")
    return ModelChange(model.root, version, False, alias, before, change, _mirrored(model, config, reporter))


def rollback_model(config: ModelsConfig, reporter: Reporter = LOG) -> ModelChange:
    """Let an alias name the version that it named before its last promotion.

    Args:
        config: The name, as `model`.
        reporter: Where progress and warnings go.

    Returns:
        The version that the alias names again.

    Raises:
        UsageError: when there is no such name, or the alias has named one version alone.

    Example::

        from tagger.schemas.configs.models import ModelsConfig

        print(rollback_model(ModelsConfig(action="rollback", model="models/fashion")).version.version)
    """
    model, alias = _existing(config.model, config), config.alias or CHAMPION
    with holding(model.root, _FLAG):
        earlier = model.aliases().earlier(alias)
        if earlier is None:
            raise UsageError(f"{_FLAG}: {alias} of {model.root} has no earlier version to go back to")
        version = model.find(earlier, _FLAG)
        before = model.point(alias, earlier, "rollback", note=config.note or "")
    return ModelChange(model.root, version, False, alias, before, mlflow=_mirrored(model, config, reporter))


def _existing(name: str, config: ModelsConfig) -> NamedModel:
    model = NamedModel(resolve_location(name, config))
    if not model.is_one():
        raise UsageError(f"{_FLAG}: {model.root} is no named model; tagger models add BUNDLE --to {name} begins one")
    return model


def _checked(config: ModelsConfig, champion: ModelVersion, version: ModelVersion) -> Change:
    """What the comparison shows. Raises UsageError without one, InputError for one that does not hold."""
    if config.comparison is None:
        raise UsageError(
            f"--comparison: {champion.version} is the champion; show that {version.version} is not worse, with tagger "
            "compare, or say with --without-comparison --note why it need not be shown"
        )
    file = resolve_location(config.comparison, config) / RESULT
    if not file.exists():
        raise UsageError(f"--comparison: there is no {file}; tagger compare writes it")
    try:
        document: dict[str, Any] = json.loads(file.read_bytes())
    except ValueError as error:
        raise InputError(f"--comparison: {file} is no JSON: {error}") from error
    if "models" not in document:
        raise InputError(f"--comparison: {file} is of an earlier version; run tagger compare again")
    if document["models"] != {"old": [champion.model_id], "new": [version.model_id]}:
        raise InputError(
            f"--comparison: {file} is not about {champion.version} ({champion.model_id}) as OLD and {version.version} "
            f"({version.model_id}) as NEW"
        )
    change = change_in(document)
    if change is None:
        raise InputError(
            f"--comparison: {file} knows no truth: give tagger compare a manifest with labels, or judge its "
            "disagreements (tagger review) and run it again"
        )
    if change.at_least < -config.margin:
        raise InputError(
            f"--comparison: it does not show that {version.version} is not worse: from {change.items:,} items "
            f"({change.source}), its share of right article types may be {-100 * change.at_least:.1f} points lower, "
            f"and --margin allows {100 * config.margin:g}. Judge or label more items, or keep {champion.version}"
        )
    return change


def _mirrored(model: NamedModel, config: ModelsConfig, reporter: Reporter) -> Mapping[str, str]:
    if config.mlflow is None:
        return {}
    from tagger.registry.mlflow import mirror

    reporter.step(f"Telling MLflow at {config.mlflow}")
    return mirror(model, config.mlflow)
