"""Models by name on the command line, and runs that were made by one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.builders import encoded, picture
from tests.conftest import Outcome
from tests.jobs.test_nightly import ENGINE, manifest
from tests.tagger.registry.test_registry import another, comparison

Run = Callable[..., Outcome]


def result(outcome: Outcome) -> dict[str, Any]:
    assert outcome.code == 0, outcome.err
    document: dict[str, Any] = json.loads(outcome.out)
    return document


def test_a_model_is_added_compared_promoted_and_taken_back(tagger: Run, bundle_dir: Path, tmp_path: Path) -> None:
    name = tmp_path / "models/fashion"
    first, second = (another(bundle_dir, tmp_path / f"b{n}", 4.0 + n) for n in range(2))
    added = tagger("models", "add", first, "--to", name, "--alias", "champion", "--note", "the first")
    assert f"Added fashion v1: {name}/v1" in added.out
    assert "champion is v1." in added.out
    assert "v1 is this bundle already" in tagger("models", "add", first, "--to", name).out
    challenger = result(tagger("models", "add", second, "--to", name, "--alias", "challenger", "--json"))
    document = result(tagger("models", "list", tmp_path / "models", "--json"))
    (fashion,) = document["models"]
    assert [version["aliases"] for version in fashion["versions"]] == [["champion"], ["challenger"]]
    refused = tagger("models", "promote", f"{name}@challenger")
    assert (refused.code, "--comparison" in refused.err) == (2, True)
    ids = [version["modelId"] for version in fashion["versions"]]
    assert ids[1] == challenger["modelId"]
    good = comparison(tmp_path / "good", ids[0], ids[1], only_old=2, only_new=8, items=1000)
    promoted = tagger("models", "promote", f"{name}@challenger", "--comparison", good)
    assert "champion of fashion is v2, and was v1." in promoted.out
    assert "From 1,000 items (labels): its share of right article types is +0.6 points" in promoted.out
    assert "champion of fashion is v1, and was v2." in tagger("models", "rollback", name).out
    listed = tagger("models", "list", name).out
    assert "the first" in listed
    nothing = tagger("models", "list", tmp_path / "b0")
    assert (nothing.code, "has no named model" in nothing.err) == (2, True)


@pytest.mark.usefixtures("embedded_ray")
def test_a_run_keeps_the_model_that_its_name_stood_for_when_it_began(
    tagger: Run, bundle_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("images").mkdir()
    for number in range(3):
        Path(f"images/{number}.jpg").write_bytes(encoded(picture(seed=number)))
    manifest(tmp_path, range(3))
    first, second = (another(bundle_dir, tmp_path / f"b{n}", 4.0 + n) for n in range(2))
    for bundle in (first, second):
        tagger("models", "add", bundle, "--to", "models/fashion")
    tagger("models", "promote", "models/fashion@v1")
    words = ["tag", "--manifest", "m.csv", "--images", "images", "--model", "models/fashion@champion"]
    words += ["--engine", ENGINE, "--max-failed", "100%", "--json", "--out"]
    before = result(tagger(*words, "run-1"))
    assert (before["modelName"], before["config"]["model"]) == ("models/fashion@champion", "models/fashion/v1")
    tagger("models", "promote", "models/fashion@v2", "--without-comparison", "--note", "trying")
    again = result(tagger(*words, "run-1"))
    assert (again["runId"], again["modelId"]) == (before["runId"], before["modelId"])
    after = result(tagger(*words, "run-2"))
    assert after["config"]["model"] == "models/fashion/v2"
    assert after["modelId"] != before["modelId"]
    directly = result(tagger(*words[:5], "--model", "models/fashion/v2", *words[7:], "run-3"))
    assert (directly["modelName"], directly["modelId"]) == (None, after["modelId"])


@pytest.mark.usefixtures("embedded_ray")
def test_a_run_that_broke_goes_on_with_the_model_that_its_name_stood_for(
    tagger: Run, bundle_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images/0.jpg").write_bytes(encoded(picture()))
    manifest(tmp_path, range(1))
    name = tmp_path / "models/fashion"
    for number in range(2):
        tagger("models", "add", another(bundle_dir, tmp_path / f"b{number}", 4.0 + number), "--to", name)
    tagger("models", "promote", f"{name}@v1")
    words = ["tag", "--manifest", tmp_path / "m.csv", "--images", tmp_path / "images", "--model", f"{name}@champion"]
    words += ["--engine", ENGINE, "--out", tmp_path / "run", "--json"]
    with monkeypatch.context() as broken:
        broken.setattr("tagger.workflows.tag.tag_shards", lambda *given: 1 / 0)
        assert tagger(*words).code == 1
    tagger("models", "promote", f"{name}@v2", "--without-comparison", "--note", "trying")
    assert result(tagger(*words))["config"]["model"] == f"{name}/v1"
