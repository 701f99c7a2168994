"""Metrics and messages at the end of a command, read by Prometheus' own parser and by a server on loopback."""

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tagger.reporting import attempts, notify
from tagger.schemas.configs.tag import TagConfig
from tagger.schemas.documents.ending import Ending
from tests.builders import encoded, picture
from tests.conftest import Outcome
from tests.jobs.shell.conftest import Receiver

Run = Callable[..., Outcome]


def samples(file: Path) -> dict[str, float]:
    """The samples of a text file by name and labels but for the job, as Prometheus reads it."""
    found = {}
    for family in text_string_to_metric_families(file.read_text()):
        for sample in family.samples:
            assert sample.labels["job"] == "nightly"
            more = ",".join(f"{k}={v}" for k, v in sample.labels.items() if k not in ("job", "model_id", "name"))
            found[f"{sample.name}{{{more}}}" if more else sample.name] = sample.value
    return found


@pytest.mark.usefixtures("embedded_ray")
def test_a_run_leaves_metrics_and_a_message_and_a_failure_does_too(
    tagger: Run, words: list[str], receiver: Receiver, tmp_path: Path
) -> None:
    told = ["--metrics", "out/tagger.prom", "--notify", receiver.address]
    assert tagger(*words, *told, "--out", "run").code == 0
    metrics = samples(tmp_path / "out/tagger.prom")
    assert (metrics["tagger_run_success"], metrics["tagger_run_exit_code"]) == (1, 0)
    rows = {name: value for name, value in metrics.items() if name.startswith("tagger_run_rows")}
    assert rows["tagger_run_rows{outcome=failed}"] == 1
    assert sum(rows.values()) == 5
    assert metrics["tagger_model_info"] == 1
    ended = Ending.model_validate(receiver.got[0])
    assert (ended.outcome, ended.exit_code, ended.job, ended.command) == ("done", 0, "nightly", "tag")
    assert ended.text.startswith("5 items tagged: ") and "1 failed" in ended.text
    assert ended.result is not None
    assert ended.result["counts"]["rows"] == 5
    record = Path("run/run.json").read_text()
    assert "s3cret" not in record and "s3cret" not in json.dumps(receiver.got)
    failed = tagger(*words, *told, "--out", "run", "--part-rows", "2", "--model", "gone")
    assert failed.code == 2
    after = samples(tmp_path / "out/tagger.prom")
    assert (after["tagger_run_success"], after["tagger_run_exit_code"]) == (0, 2)
    last = "tagger_run_last_success_timestamp_seconds"
    assert after[last] == metrics[last] < after["tagger_run_finished_timestamp_seconds"]
    ended = Ending.model_validate(receiver.got[1])
    assert (ended.outcome, ended.result) == ("failed", None)
    assert ended.error is not None and "there is no bundle" in ended.error and "gone" in ended.text


@pytest.mark.usefixtures("embedded_ray")
def test_a_message_that_cannot_be_sent_is_a_warning_without_its_address(
    tagger: Run, words: list[str], receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.status = 500
    monkeypatch.setattr(attempts, "LIMIT_S", 1.0)
    with socket.socket() as silent, socket.socket() as closed:
        silent.bind(("127.0.0.1", 0))
        silent.listen()  # takes a connection, and never answers
        closed.bind(("127.0.0.1", 0))
        addresses = [receiver.address, *(f"http://127.0.0.1:{s.getsockname()[1]}/s3cret" for s in (silent, closed))]
        monkeypatch.setenv("TAGGER_NOTIFY", " ".join(addresses))
        done = tagger(*words, "--out", "run", "--metrics", "/proc/no/tagger.prom")
    assert done.code == 0
    assert "it answered 500" in done.err
    assert done.err.count("--notify http://127.0.0.1/…") == 3
    assert "--metrics /proc/no/tagger.prom: cannot be written" in done.err
    assert "s3cret" not in done.err
    assert tagger(*words, "--out", "run", "--notify-on", "failure").code == 0
    assert len(receiver.got) == 1, "the second command did not fail"


def an_ending(outcome: str = "done") -> Ending:
    code = {"done": 0, "held": 5, "failed": 3}[outcome]
    return Ending.model_validate(
        {
            "text": "900 items tagged.", "job": "nightly", "command": "tag", "outcome": outcome, "exit_code": code,
            "started_at": "2026-11-01T02:00:00Z", "finished_at": "2026-11-01T02:01:00Z", "seconds": 60, "version": "1",
        }
    )  # fmt: skip


def test_slack_gets_its_own_form(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "_SLACK", "127.0.0.1")
    assert notify.notify([receiver.address], an_ending("held")) == []
    assert receiver.got == [{"text": "⚠️ nightly: 900 items tagged."}]


def test_other_addresses_are_apprises(receiver: Receiver) -> None:
    port = receiver.server_address[1]
    assert notify.notify([f"json://127.0.0.1:{port}/hook"], an_ending("failed")) == []
    assert (receiver.got[0]["title"], receiver.got[0]["type"]) == ("nightly: failed", "failure")
    assert "does not know" in notify.notify(["nonsense://x"], an_ending())[0]


def test_several_addresses_take_no_longer_than_one(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "LIMIT_S", 1.0)
    receiver.pause_s = 5
    started = time.monotonic()
    problems = notify.notify([receiver.address] * 5, an_ending())
    assert time.monotonic() - started < 4
    assert len(problems) == 5


@pytest.mark.usefixtures("embedded_ray")
def test_a_night_without_items_has_the_exit_code_that_was_asked_for(
    tagger: Run, words: list[str], receiver: Receiver, tmp_path: Path
) -> None:
    assert tagger(*words, "--out", "runs/a").code == 0
    Path("images/4.jpg").write_bytes(encoded(picture(seed=4)))
    assert tagger(*words, "--out", "runs/b", "--known", "runs").code == 0
    again = [*words, "--known", "runs", "--exit-if-nothing", "99", "--out"]
    assert tagger(*again, "runs/c").code == 99
    told = ["--metrics", "tagger.prom", "--notify", receiver.address, "--notify-on", "failure"]
    assert tagger(*again, "runs/c", *told).code == 99, "and when it is asked again"
    metrics = samples(tmp_path / "tagger.prom")
    assert (metrics["tagger_run_success"], metrics["tagger_run_exit_code"]) == (1, 99)
    assert metrics["tagger_run_last_success_timestamp_seconds"] == metrics["tagger_run_finished_timestamp_seconds"]
    assert receiver.got == [], "a quiet night is no failure"
    assert tagger(*words, "--known", "runs", "--out", "runs/d").code == 0


def test_a_night_without_items_cannot_have_the_exit_code_of_a_failure() -> None:
    for code in (1, 4, 5, 130):
        with pytest.raises(ValueError, match="has a meaning of its own"):
            TagConfig.model_validate(
                {"manifest": "m", "images": "i", "model": "b", "out": "o", "exit_if_nothing": code}
            )


def test_a_metrics_file_is_one_that_node_exporter_reads() -> None:
    for name in ("s3://shop/tagger.prom", "tagger.txt"):
        with pytest.raises(ValueError, match="as node_exporter reads"):
            TagConfig.model_validate({"manifest": "m", "images": "i", "model": "b", "out": "o", "metrics": name})
