"""Tells who asked for it how a command has ended: a metrics file, and messages."""

import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import tagger
from tagger.errors import HoldError
from tagger.io.json_text import as_json
from tagger.io.location import first_line
from tagger.jobs.shell.console import Console
from tagger.jobs.shell.outcome import code_of
from tagger.optional import what_to_install
from tagger.registry.versions import parsed
from tagger.reporting.metrics import write_metrics
from tagger.reporting.notify import notify
from tagger.schemas.configs.reporting import NOTIFY, ReportingOptions
from tagger.schemas.documents.ending import Ending

if TYPE_CHECKING:
    from tagger.reporting.lineage import Lineage


def with_ending(command: str, config: ReportingOptions, console: Console, work: Callable[[], int]) -> int:
    """Run a command, and tell how it has ended, also when it fails; the exit code stays what it is."""
    began, started = datetime.now(UTC), time.monotonic()
    addresses = [*config.notify, *os.environ.get(NOTIFY, "").split()]
    error: BaseException | None = None
    lineage = _lineage(config, console)
    if lineage and (problem := lineage.started(began)):
        console.warn(problem)
    try:
        code = work()
    except BaseException as raised:
        error, code = raised, code_of(raised)
        raise
    finally:
        if config.metrics or addresses or lineage:
            result = json.loads(as_json(console.document)) if console.document else None
            quiet = config.exit_if_nothing if error is None else None
            ending = Ending(
                text=_text(code, result, error), job=config.job, command=command, outcome=_outcome(code, quiet),
                exit_code=code, started_at=began, finished_at=datetime.now(UTC), seconds=time.monotonic() - started,
                error=first_line(error) if error else None, result=result, version=tagger.__version__,
            )  # fmt: skip
            _tell(config, console, addresses, ending)
            if lineage and (problem := lineage.ended(ending)):
                console.warn(problem)
    return code


def _lineage(config: ReportingOptions, console: Console) -> "Lineage | None":
    """The events of this command; None where nobody asked for them, or where their library is not installed."""
    if not config.lineage:
        return None
    try:
        from tagger.reporting.lineage import Lineage
    except ModuleNotFoundError as error:
        if not (way_out := what_to_install(error)):
            raise
        console.warn(f"--lineage: {way_out}")
        return None
    inputs = dict(config.inputs)
    if named := parsed(inputs.get("model", "")):  # the name stays, and the event tells the version
        inputs["model"] = named[0]
    return Lineage(config.lineage, config.job, inputs, tagger.__version__, config.nominal_time)


def _tell(config: ReportingOptions, console: Console, addresses: list[str], ending: Ending) -> None:
    if config.metrics:
        try:
            write_metrics(Path(config.metrics).expanduser(), ending)
        except OSError as error:
            console.warn(f"--metrics {config.metrics}: cannot be written: {first_line(error)}")
    if addresses and (ending.outcome != "done" or config.notify_on == "end"):
        for problem in notify(addresses, ending):
            console.warn(problem)


def _outcome(code: int, if_nothing: int | None) -> Literal["done", "held", "failed"]:
    if code == HoldError.exit_code:
        return "held"
    return "done" if code in (0, if_nothing) else "failed"


def _text(code: int, result: dict[str, Any] | None, error: BaseException | None) -> str:
    """What happened, for people."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted; the same command goes on from here"
    if error is not None:
        return f"failed with exit code {code}: {first_line(error) or type(error).__name__}"
    result = result or {}
    counts = result.get("counts")
    if not isinstance(counts, dict):
        return "done" if code == 0 else f"ended with exit code {code}"
    decisions = counts["decisions"]
    accepted = decisions.get("accept", 0)
    review = decisions.get("review", 0) + decisions.get("accept_master_only", 0)
    said = [f"{counts['predictions']:,} items tagged: {accepted:,} accepted, {review:,} for review"]
    if failed := decisions.get("failed", 0):
        said.append(f"{failed:,} failed")
    if counts["skipped"]:
        said.append(f"{counts['skipped']:,} left alone")
    text = ", ".join(said) + "."
    if code == HoldError.exit_code:
        return f"{text} The tags may be wrong, so exports are held."
    if code == 0:
        return text
    return " ".join([text, *(f"{problem}." for problem in result.get("problems", [])), f"Exit code {code}."])
