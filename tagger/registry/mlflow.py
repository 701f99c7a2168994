"""The same named model in MLflow: versions with their files as artifacts, and aliases."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tagger.errors import TaggerError
from tagger.io.location import Location, first_line
from tagger.models.bundle import CARD
from tagger.registry.versions import NamedModel
from tagger.schemas.documents.bundle import ModelCard
from tagger.schemas.documents.registry import ModelVersion

_TAG = "catalog_tagger.version"
_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


def mirror(model: NamedModel, uri: str) -> dict[str, str]:
    """Give MLflow what a named model has and it lacks: versions, and which of them the aliases name.

    Args:
        model: The named model; its folder's name is that of the registered model.
        uri: Address of the MLflow server.

    Returns:
        MLflow's version numbers by ours.

    Raises:
        ModuleNotFoundError: without the extra `mlflow`.
        TaggerError: when the server cannot be reached, or refuses.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    try:
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        return _mirrored(client, model)
    except (MlflowException, OSError) as error:
        raise TaggerError(
            f"--mlflow {uri}: {first_line(error)}; {model.root} has the change, and the same command tells MLflow again"
        ) from error


def _mirrored(client: Any, model: NamedModel) -> dict[str, str]:
    name = model.root.name
    if not any(found.name == name for found in client.search_registered_models(f"name = '{name}'")):
        client.create_registered_model(name)
    numbers = {
        found.tags[_TAG]: str(found.version)
        for found in client.search_model_versions(f"name = '{name}'")
        if _TAG in found.tags
    }
    for version in model.versions():
        if version.version not in numbers:
            numbers[version.version] = _logged(client, name, version, model.folder(version.version))
    aliases = model.aliases().aliases
    known = client.get_registered_model(name).aliases
    for alias, of in aliases.items():
        if str(known.get(alias)) != numbers[of]:
            client.set_registered_model_alias(name, alias, numbers[of])
    return numbers


def _logged(client: Any, name: str, version: ModelVersion, folder: Location) -> str:
    """Log a version's files and figures as a run, and register it; return MLflow's number."""
    experiment = client.get_experiment_by_name(name)
    number = experiment.experiment_id if experiment else client.create_experiment(name)
    run = client.create_run(number, run_name=f"{name} {version.version}", tags={_TAG: version.version})
    card = ModelCard.model_validate_json((folder / CARD).read_bytes())
    for metrics in card.metrics:
        for level, of_level in metrics.levels.items():
            client.log_metric(run.info.run_id, f"{metrics.split}.{level}.accuracy", of_level.accuracy)
            client.log_metric(run.info.run_id, f"{metrics.split}.{level}.macro_f1", of_level.macro_f1)
    with _on_disk(folder, version) as local:
        client.log_artifacts(run.info.run_id, str(local), "bundle")
    client.set_terminated(run.info.run_id)
    made = client.create_model_version(
        name, source=f"{run.info.artifact_uri}/bundle", run_id=run.info.run_id, description=version.note,
        tags={_TAG: version.version, "modelId": version.model_id},
    )  # fmt: skip
    return str(made.version)


@contextmanager
def _on_disk(folder: Location, version: ModelVersion) -> Iterator[Path]:
    """The files of a version in a temporary folder, as MLflow takes them."""
    with tempfile.TemporaryDirectory() as temporary:
        for path in version.digests:
            target = Path(temporary) / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((folder / path).read_bytes())
        yield Path(temporary)
