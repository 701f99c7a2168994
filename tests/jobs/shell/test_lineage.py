"""OpenLineage's events: valid by the published schemas, in a file and on loopback, and never more than a warning."""

import json
import socket
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tagger.reporting import attempts
from tagger.reporting.lineage import Lineage
from tests.conftest import Outcome
from tests.jobs.shell.conftest import Receiver
from tests.jobs.shell.openlineage_schemas import check
from tests.jobs.shell.test_ending import an_ending

Run = Callable[..., Outcome]
PARENT = "0193a1d2-4a4e-7c2b-9d4c-0123456789ab"


@pytest.mark.usefixtures("embedded_ray")
def test_a_run_tells_what_it_reads_and_writes_and_a_failure_why(
    tagger: Run, words: list[str], bundle_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tagger("models", "add", str(bundle_dir), "--to", "models/fashion").code == 0
    monkeypatch.setenv("OPENLINEAGE_NAMESPACE", "catalogue")
    monkeypatch.setenv("OPENLINEAGE_PARENT_ID", f"airflow://shop/nightly.tag/{PARENT}")
    told = ["--lineage", "out/events.jsonl", "--nominal-time", "2026-11-27T02:30:00Z"]
    words = [word if word != str(bundle_dir) else "models/fashion@v1" for word in words]
    done = tagger(*words, *told, "--out", "run", "--json")
    assert (done.code, done.err.count("--lineage")) == (0, 0), done.err
    result = json.loads(done.out)
    start, complete = read(tmp_path / "out/events.jsonl")
    about = ["jobType", "nominalTime", "parent", "processing_engine", "tags"]
    assert check(start) == about
    assert check(complete) == sorted([*about, "dataQualityAssertions", "outputStatistics", "version"])
    assert (start["eventType"], complete["eventType"]) == ("START", "COMPLETE")
    assert start["run"]["runId"] == complete["run"]["runId"]
    assert (start["job"]["namespace"], start["job"]["name"]) == ("catalogue", "tagger.nightly")
    assert datetime.fromisoformat(start["run"]["facets"]["nominalTime"]["nominalStartTime"]) == datetime(
        2026, 11, 27, 2, 30, tzinfo=UTC
    )
    assert start["run"]["facets"]["parent"]["run"]["runId"] == PARENT
    job = start["run"]["facets"]["parent"]["job"]
    assert (job["namespace"], job["name"]) == ("airflow://shop", "nightly.tag")
    inputs = [("file", str(tmp_path / "m.csv")), ("file", str(tmp_path / "models/fashion"))]
    for event in (start, complete):
        assert [(data["namespace"], data["name"]) for data in event["inputs"]] == inputs
    checks = complete["inputs"][0]["inputFacets"]["dataQualityAssertions"]["assertions"]
    assert [(c["assertion"], c["success"], c["actual"]) for c in checks] == [
        ("max_failed", True, "1 of 5"), ("max_rejected", True, "0 of 5"),
    ]  # fmt: skip
    assert complete["inputs"][1]["facets"]["version"]["datasetVersion"] == result["modelId"]
    (output,) = complete["outputs"]
    assert (output["namespace"], output["name"]) == ("file", str(tmp_path / "run/predictions"))
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == result["counts"]["predictions"] == 5

    many = tagger(*words, *told, "--out", "run-2", "--max-failed", "0")
    assert many.code == 4
    event = read(tmp_path / "out/events.jsonl")[-1]
    assert event["eventType"] == "FAIL" and "errorMessage" in check(event)
    assert not event["inputs"][0]["inputFacets"]["dataQualityAssertions"]["assertions"][0]["success"]
    assert event["outputs"][0]["name"] == str(tmp_path / "run-2/predictions")

    assert tagger(*words, *told, "--out", "run-3", "--manifest", "gone.csv").code == 2
    event = read(tmp_path / "out/events.jsonl")[-1]
    assert event["eventType"] == "FAIL" and event["outputs"] == []
    assert "gone.csv" in event["run"]["facets"]["errorMessage"]["message"]
    assert len(read(tmp_path / "out/events.jsonl")) == 6


def read(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.mark.usefixtures("embedded_ray")
def test_a_server_that_does_not_take_events_is_a_warning(
    tagger: Run, words: list[str], receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tagger(*words, "--out", "run", "--lineage", receiver.address).code == 0
    assert [event["eventType"] for event in receiver.got] == ["START", "COMPLETE"]
    assert "s3cret" not in (tmp_path / "run/run.json").read_text()
    receiver.status = 403
    refused = tagger(*words, "--out", "run", "--lineage", receiver.address)
    assert refused.code == 0
    assert refused.err.count("--lineage: no START event") == refused.err.count("--lineage: no COMPLETE event") == 1
    assert "403" in refused.err and "s3cret" not in refused.err
    receiver.status = 200
    monkeypatch.setenv("OPENLINEAGE_URL", receiver.address.removesuffix("/hook/s3cret"))
    receiver.got.clear()
    assert tagger(*words, "--out", "run", "--lineage", "env").code == 0
    assert [event["eventType"] for event in receiver.got] == ["START", "COMPLETE"]
    with socket.socket() as closed:  # nobody listens there
        closed.bind(("127.0.0.1", 0))
        address = f"http://user:pa55@127.0.0.1:{closed.getsockname()[1]}/s3cret"
        unheard = tagger(*words, "--out", "run", "--lineage", address)
    assert unheard.code == 0 and unheard.err.count("--lineage: no") == 2
    assert "s3cret" not in unheard.err and "pa55" not in unheard.err
    monkeypatch.setattr(attempts, "LIMIT_S", 0.5)
    receiver.pause_s = 3
    slow = tagger(*words, "--out", "run", "--lineage", receiver.address)
    assert slow.code == 0 and "no answer in 0 s" in slow.err


def test_data_have_the_names_that_other_tools_give_them(tmp_path: Path) -> None:
    places = {
        "manifest": "s3://pim/export/styles.csv",
        "model": "s3://models",
        "more": "https://u:p@pim.example/a/b.csv",
    }
    assert Lineage(str(tmp_path / "events.jsonl"), "tag", places, "1").started(datetime.now(UTC)) == ""
    (event,) = read(tmp_path / "events.jsonl")
    assert [(data["namespace"], data["name"]) for data in event["inputs"]] == [
        ("s3://pim", "export/styles.csv"), ("s3://models", "/"), ("https://pim.example", "/a/b.csv"),
    ]  # fmt: skip


def test_a_held_night_is_complete_and_says_which_checks_failed(tmp_path: Path) -> None:
    finding = {"statistic": "confidence", "value": 0.25, "isAlarm": True}
    result = {
        "run": "runs/n1", "modelId": "m", "counts": {"predictions": 7, "parts": 1}, "limits": [],
        "drift": {"held": True, "findings": [finding, finding | {"statistic": "labels", "isAlarm": False}]},
        "promises": [{"level": "articleType", "target": 0.95, "broken": True, "answers": 240}],
    }  # fmt: skip
    ending = an_ending("held").model_copy(update={"result": result})
    lineage = Lineage(str(tmp_path / "events.jsonl"), "nightly", {"manifest": "m.csv", "model": "models/f"}, "1")
    assert lineage.started(ending.started_at) == lineage.ended(ending) == ""
    event = read(tmp_path / "events.jsonl")[-1]
    assert event["eventType"] == "COMPLETE"
    assert check(event) == [
        "dataQualityAssertions", "jobType", "outputStatistics", "processing_engine", "tags", "version",
    ]  # fmt: skip
    checks = event["inputs"][0]["inputFacets"]["dataQualityAssertions"]["assertions"]
    assert [(c["assertion"], c["name"], c["success"], c["severity"]) for c in checks] == [
        ("drift", "drift_confidence", False, "error"), ("drift", "drift_labels", True, "warn"),
        ("promise", "promise_articleType", False, "error"),
    ]  # fmt: skip


@pytest.mark.usefixtures("embedded_ray")
def test_without_its_library_it_says_what_to_install(
    tagger: Run, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "tagger.reporting.lineage", raising=False)
    for name in [name for name in sys.modules if name.startswith("openlineage")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "openlineage", None)
    done = tagger(*words, "--out", "run", "--lineage", "events.jsonl")
    assert done.code == 0
    assert "pip install openlineage-python" in done.err


def test_a_time_without_a_zone_is_refused(tagger: Run, words: list[str]) -> None:
    refused = tagger(*words, "--out", "run", "--lineage", "e.jsonl", "--nominal-time", "2026-11-27T02:30:00")
    assert refused.code == 2 and "--nominal-time" in refused.err
