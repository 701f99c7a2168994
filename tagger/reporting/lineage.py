"""OpenLineage events of a command: which data it read and wrote, for the catalogues of data platforms.

By version 2-0-2 of the specification: https://openlineage.io/docs/spec/object-model
"""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState, set_producer
from openlineage.client.facet_v2 import (
    data_quality_assertions_dataset,
    dataset_version_dataset,
    error_message_run,
    job_type_job,
    nominal_time_run,
    output_statistics_output_dataset,
    parent_run,
    processing_engine_run,
)
from openlineage.client.naming.dataset import S3, LocalFileSystem
from openlineage.client.uuid import generate_new_uuid

from tagger.reporting.attempts import problems_of, without_secrets
from tagger.schemas.configs.reporting import LINEAGE_ENVIRONMENT
from tagger.schemas.documents.drift import Statistic
from tagger.schemas.documents.ending import Ending

_PRODUCER = "https://github.com/catalog-tagger/catalog-tagger/tree/v{version}"
_INTERRUPTED = 130
_RETRIES = 1
_WEB = ("http://", "https://")
_Assertion = data_quality_assertions_dataset.Assertion


class Lineage:
    """The events of one command, from its start to its end. Nothing that goes wrong here is more than a warning.

    Args:
        address: A file that events are added to, one JSON in each line; an http(s) address; or LINEAGE_ENVIRONMENT,
            for what OpenLineage's own variables and file say.
        job: The job's name, in the namespace that OPENLINEAGE_NAMESPACE names.
        inputs: What the command reads, by what it is: paths, or addresses.
        version: Of catalog-tagger.
        nominal_time: When the scheduler planned the command.
    """

    def __init__(
        self, address: str, job: str, inputs: Mapping[str, str], version: str, nominal_time: datetime | None = None
    ) -> None:
        self._address, self._inputs, self._version = address, inputs, version
        set_producer(_PRODUCER.format(version=version))
        self._run_id = str(generate_new_uuid())
        self._nominal_time = nominal_time
        kind = job_type_job.JobTypeJobFacet(processingType="BATCH", integration="CATALOG_TAGGER", jobType="JOB")
        namespace = os.environ.get("OPENLINEAGE_NAMESPACE") or "default"
        self._job = Job(namespace=namespace, name=f"tagger.{job}", facets={"jobType": kind})
        self._client: OpenLineageClient | None = None

    def started(self, at: datetime) -> str:
        """Tell that the command has started; return what went wrong."""
        return self._emit(RunState.START, at, inputs=[_input(where) for where in self._inputs.values()])

    def ended(self, ending: Ending) -> str:
        """Tell how the command has ended; return what went wrong."""
        state = RunState.COMPLETE if ending.outcome in ("done", "held") else RunState.FAIL
        if ending.exit_code == _INTERRUPTED:
            state = RunState.ABORT
        result = ending.result or {}
        inputs = [_input(where, **_facets_of(what, result)) for what, where in self._inputs.items()]
        more: dict[str, Any] = {}
        if state != RunState.COMPLETE:
            message = ending.error or ending.text
            more["errorMessage"] = error_message_run.ErrorMessageRunFacet(message=message, programmingLanguage="Python")
        return self._emit(state, ending.finished_at, inputs=inputs, outputs=list(_outputs(result)), facets=more)

    def _emit(
        self,
        state: RunState,
        at: datetime,
        inputs: list[InputDataset],
        outputs: Sequence[OutputDataset] = (),
        facets: Mapping[str, Any] | None = None,
    ) -> str:
        (problem,) = problems_of([partial(self._send, state, at, inputs, list(outputs), dict(facets or {}))])
        if self._address.startswith(_WEB):
            problem = without_secrets(self._address, problem)
        return f"--lineage: no {state.value} event: {problem.splitlines()[0]}" if problem else ""

    def _send(
        self,
        state: RunState,
        at: datetime,
        inputs: list[InputDataset],
        outputs: list[OutputDataset],
        facets: dict[str, Any],
    ) -> str:
        logging.getLogger("openlineage").setLevel(logging.ERROR)
        client = self._client = self._client or _client(self._address)
        run = Run(runId=self._run_id, facets=self._run_facets() | facets)
        client.emit(
            RunEvent(
                eventType=state, eventTime=at.isoformat(), run=run, job=self._job, inputs=inputs, outputs=outputs,
                producer=_PRODUCER.format(version=self._version),
            )
        )  # fmt: skip
        if state != RunState.START:
            client.close()
        return ""

    def _run_facets(self) -> dict[str, Any]:
        engine = processing_engine_run.ProcessingEngineRunFacet
        facets: dict[str, Any] = {
            "processing_engine": engine(version=version_of("ray"), name="Ray", openlineageAdapterVersion=self._version)
        }
        if self._nominal_time:
            time = self._nominal_time.isoformat()
            facets["nominalTime"] = nominal_time_run.NominalTimeRunFacet(nominalStartTime=time)
        # the form in which dbt and Spark take it from Airflow: NAMESPACE/JOB/RUN
        parent = os.environ.get("OPENLINEAGE_PARENT_ID", "").split("/")
        if len(parent) >= 3:
            job = parent_run.Job(namespace="/".join(parent[:-2]), name=parent[-2])
            facets["parent"] = parent_run.ParentRunFacet(run=parent_run.Run(runId=parent[-1]), job=job)
        return facets


def _client(address: str) -> OpenLineageClient:
    if address == LINEAGE_ENVIRONMENT:
        return OpenLineageClient()
    if not address.startswith(_WEB):
        file = Path(address).expanduser()
        file.parent.mkdir(parents=True, exist_ok=True)
        return OpenLineageClient(config={"transport": {"type": "file", "log_file_path": str(file), "append": True}})
    parts = urlsplit(address)
    transport: dict[str, Any] = {
        "type": "http", "url": f"{parts.scheme}://{parts.netloc}",
        "endpoint": parts.path.strip("/") or "api/v1/lineage",
        "retry": {"total": _RETRIES, "read": _RETRIES, "connect": _RETRIES},
    }  # fmt: skip
    if key := os.environ.get("OPENLINEAGE_API_KEY"):
        transport["auth"] = {"type": "api_key", "apiKey": key}
    return OpenLineageClient(config={"transport": transport})


def _assertions(result: Mapping[str, Any]) -> Iterator[_Assertion]:
    """What the run checks of the items that it reads."""
    for limit in result.get("limits") or []:
        yield _Assertion(
            assertion=limit["name"], success=not limit["exceeded"], severity="error",
            expected=f"at most {limit['allowed']}", actual=f"{limit['count']} of {limit['total']}",
        )  # fmt: skip
    drift = result.get("drift") or {}
    for finding in drift.get("findings", []):
        severity = "error" if Statistic(finding["statistic"]).holds else "warn"
        yield _Assertion(
            assertion="drift", success=not finding["isAlarm"], severity=severity,
            name=f"drift_{finding['statistic']}", actual=f"{finding['value']:.6g}",
        )  # fmt: skip
    for promise in result.get("promises") or []:
        yield _Assertion(
            assertion="promise", success=not promise["broken"], severity="error", name=f"promise_{promise['level']}",
            expected=f"at least {promise['target']:.6g} right", actual=f"{promise['answers']} judged",
        )  # fmt: skip


def _facets_of(what: str, result: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What is known of an input at the end."""
    if what == "manifest" and (checks := list(_assertions(result))):
        facet = data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet(assertions=checks)
        return {"inputFacets": {"dataQualityAssertions": facet}}
    if what == "model" and "modelId" in result:
        version = dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=result["modelId"])
        return {"facets": {"version": version}}
    return {}


def _input(where: str, **facets: dict[str, Any]) -> InputDataset:
    namespace, name = _named(where)
    return InputDataset(namespace=namespace, name=name, **facets)


def _outputs(result: Mapping[str, Any]) -> Iterator[OutputDataset]:
    if "counts" not in result:
        return
    namespace, name = _named(f"{result['run']}/predictions")
    counts = result["counts"]
    written = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
        rowCount=counts["predictions"], fileCount=counts["parts"]
    )
    yield OutputDataset(namespace=namespace, name=name, outputFacets={"outputStatistics": written})


def _named(where: str) -> tuple[str, str]:
    """Namespace and name of a path or an address, by OpenLineage's naming conventions."""
    parts = urlsplit(where)
    if parts.scheme == "s3":
        bucket = S3(parts.netloc, parts.path.strip("/") or "/")
        return bucket.get_namespace(), bucket.get_name()
    if parts.scheme and "://" in where:
        return f"{parts.scheme}://{parts.hostname}", parts.path
    file = LocalFileSystem(str(Path(where).expanduser().resolve()))
    return file.get_namespace(), file.get_name()
