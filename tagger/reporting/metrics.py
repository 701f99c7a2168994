"""Metrics of the newest run as a text file, which node_exporter hands on to Prometheus."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile
from prometheus_client.parser import text_string_to_metric_families

from tagger.schemas.documents.ending import Ending

LAST_SUCCESS = "tagger_run_last_success_timestamp_seconds"
_OUTCOMES = {"rejects": "reject", "skipped": "skipped", "further": "further"}


def write_metrics(file: Path, ending: Ending) -> None:
    """Write the metrics of a command that has ended, atomically. Raises OSError.

    What only a success tells stays as it was after a failure: when the last success was.

    Args:
        file: Where to; its name ends with `.prom`.
        ending: How the command has ended.
    """
    registry = CollectorRegistry()
    job = {"job": ending.job}
    finished = ending.finished_at.timestamp()
    is_success = ending.outcome == "done"
    _gauge(
        registry,
        "tagger_run_success",
        "1 when the newest run ended well, also without an item, else 0.",
        job,
        is_success,
    )
    _gauge(registry, "tagger_run_exit_code", "Exit code of the newest run.", job, ending.exit_code)
    _gauge(registry, "tagger_run_held", "1 when exports of the newest run are held.", job, ending.outcome == "held")
    _gauge(registry, "tagger_run_finished_timestamp_seconds", "When the newest run ended.", job, finished)
    _gauge(registry, "tagger_run_duration_seconds", "How long the newest run took.", job, ending.seconds)
    last = finished if is_success else _last_success(file, ending.job)
    if last is not None:
        _gauge(registry, LAST_SUCCESS, "When a run last ended well.", job, last)
    if ending.result:
        _of_result(registry, job, ending.result)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_to_textfile(str(file), registry)


def _of_result(registry: CollectorRegistry, job: Mapping[str, str], result: Mapping[str, Any]) -> None:
    """Metrics of a run's record."""
    counts = result.get("counts")
    if isinstance(counts, dict):
        about = "Rows of the newest run by what became of them; they add up to the manifest's rows."
        rows = _labelled(registry, "tagger_run_rows", about, job, "outcome")
        for outcome, number in _rows(counts):
            rows.labels(**job, outcome=outcome).set(number)
        waiting = counts["decisions"].get("review", 0) + counts["decisions"].get("accept_master_only", 0)
        _gauge(registry, "tagger_run_to_review_items", "Items of the newest run for a person.", job, waiting)
    drift = result.get("drift")
    if isinstance(drift, dict) and drift.get("findings"):
        about = "1 when the newest run differs from those before, by what is compared."
        alarms = _labelled(registry, "tagger_drift_alarm", about, job, "statistic")
        for finding in drift["findings"]:
            alarms.labels(**job, statistic=finding["statistic"]).set(finding["isAlarm"])
    _of_promises(registry, job, result.get("promises") or [])
    if model := result.get("modelId"):
        info = _labelled(registry, "tagger_model_info", "The bundle in use; always 1.", job, "model_id", "name")
        info.labels(**job, model_id=model, name=result.get("modelName") or "").set(1)


def _of_promises(registry: CollectorRegistry, job: Mapping[str, str], promises: Sequence[Mapping[str, Any]]) -> None:
    """What answers over all nights say of the precision of accepted tags."""
    names = {
        "target": "Precision of accepted tags that the model promises, 0 to 1.",
        "measured": "The same among those that people have judged.",
        "lowest": "Lowest precision that the answers do not exclude, with 95% for all nights at once.",
        "answers": "Number of accepted tags that people have judged.",
        "broken": "1 when the answers exclude the promised precision.",
    }
    for name, about in names.items() if promises else ():
        gauge = _labelled(registry, f"tagger_precision_{name}", about, job, "level")
        for promise in promises:
            if promise[name] is not None:
                gauge.labels(**job, level=promise["level"]).set(float(promise[name]))


def _rows(counts: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    yield from counts["decisions"].items()
    yield from ((outcome, counts[name]) for name, outcome in _OUTCOMES.items())


def _gauge(registry: CollectorRegistry, name: str, about: str, labels: Mapping[str, str], value: float | bool) -> None:
    _labelled(registry, name, about, labels).labels(**labels).set(float(value))


def _labelled(registry: CollectorRegistry, name: str, about: str, labels: Mapping[str, str], *more: str) -> Gauge:
    return Gauge(name, about, [*labels, *more], registry=registry)


def _last_success(file: Path, job: str) -> float | None:
    """When a run of the job last ended well, as the file says so far."""
    try:
        families = list(text_string_to_metric_families(file.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None
    samples = (sample for family in families for sample in family.samples)
    return next((s.value for s in samples if s.name == LAST_SUCCESS and s.labels.get("job") == job), None)
