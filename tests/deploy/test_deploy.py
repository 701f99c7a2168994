"""What `deploy/` has: fields that exist, versions that agree, settings that the commands take, and units that load."""

import json
import re
import shlex
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tagger.errors import HoldError, InputError, UsageError
from tagger.jobs.shell.build_config import build_config
from tagger.jobs.shell.outcome import TOO_MANY_FAILED
from tagger.jobs.shell.registry import JOBS
from tagger.schemas.configs.tag import TagConfig
from tests.deploy.published_schemas import SCHEMAS
from tests.test_house import ROOT

DEPLOY = ROOT / "deploy"
KUBERNETES = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
KINDS = {"ConfigMap": "V1ConfigMap", "CronJob": "V1CronJob", "RayJob": "RayJob", "RayCluster": "RayCluster"}
FINAL = [UsageError.exit_code, InputError.exit_code, TOO_MANY_FAILED, HoldError.exit_code]
"""Exit codes that the same command would end with again."""


def documents(file: Path) -> Iterator[dict[str, Any]]:
    yield from yaml.safe_load_all(file.read_text())


def pods(node: object) -> Iterator[dict[str, Any]]:
    """The pods' specs of a manifest."""
    if isinstance(node, dict):
        if "containers" in node:
            yield node
        for below in node.values():
            yield from pods(below)
    elif isinstance(node, list):
        for below in node:
            yield from pods(below)


@pytest.mark.parametrize("file", KUBERNETES, ids=lambda file: file.name)
def test_every_field_of_a_manifest_exists_and_has_the_right_type(file: Path) -> None:
    definitions = json.loads(SCHEMAS.read_text())
    for document in documents(file):
        jsonschema.validate(document, definitions | {"$ref": f"#/$defs/{KINDS[document['kind']]}"})


def test_a_field_that_does_not_exist_is_seen() -> None:
    definitions = json.loads(SCHEMAS.read_text())
    (cronjob,) = (d for d in documents(DEPLOY / "kubernetes/cronjob.yaml") if d["kind"] == "CronJob")
    cronjob["spec"]["jobTemplate"]["spec"]["template"]["spec"]["restartPolicies"] = "Never"
    with pytest.raises(jsonschema.ValidationError, match="restartPolicies"):
        jsonschema.validate(cronjob, definitions | {"$ref": "#/$defs/V1CronJob"})


@pytest.mark.parametrize("file", KUBERNETES, ids=lambda file: file.name)
def test_every_pod_runs_as_a_user_without_rights_and_mounts_what_it_has(file: Path) -> None:
    found = [pod for document in documents(file) for pod in pods(document)]
    assert found
    for pod in found:
        assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] == 10001
        volumes = {volume["name"] for volume in pod["volumes"]}
        for container in pod["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} == volumes
            assert container["resources"]["limits"]["memory"]


def test_a_night_that_would_end_the_same_way_is_not_repeated() -> None:
    (job,) = (d for d in documents(DEPLOY / "kubernetes/cronjob.yaml") if d["kind"] == "CronJob")
    spec = job["spec"]["jobTemplate"]["spec"]
    (rule,) = (rule for rule in spec["podFailurePolicy"]["rules"] if "onExitCodes" in rule)
    (container,) = spec["template"]["spec"]["containers"]
    assert rule["onExitCodes"]["containerName"] == container["name"]
    assert (rule["action"], rule["onExitCodes"]["values"]) == ("FailJob", FINAL)
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    assert job["spec"]["concurrencyPolicy"] == "Forbid"
    unit = (DEPLOY / "systemd/tagger-nightly.service").read_text()
    assert f"RestartPreventExitStatus={' '.join(map(str, FINAL))}\n" in unit
    dagster = (DEPLOY / "dagster/tagger_nightly.py").read_text()
    assert f"FINAL = {{{', '.join(map(str, FINAL))}}}\n" in dagster


def test_each_configuration_is_one_that_the_command_takes(tmp_path: Path) -> None:
    texts = {"nightly.yaml": [(DEPLOY / "systemd/nightly.yaml").read_text()], "backfill.yaml": []}
    for file in KUBERNETES:
        for document in documents(file):
            for name, text in document.get("data", {}).items():
                texts[name].append(text)
    assert [len(found) for found in texts.values()] == [2, 1]
    for name, found in texts.items():
        for text in found:
            (tmp_path / name).write_text(text)
            given = {} if "out:" in text else {"out": "runs/x"}
            assert build_config(TagConfig, tmp_path / name, given).embeddings


def commands() -> Iterator[tuple[str, list[str]]]:
    """The commands of tagger in all files, each with its file."""
    for file in sorted(DEPLOY.rglob("*")):
        if file.suffix in (".yaml", ".service"):
            for document in documents(file) if file.parent.name == "kubernetes" else ():
                for pod in pods(document):
                    yield from ((file.name, c["args"]) for c in pod["containers"] if "args" in c)
                if document["kind"] == "RayJob":
                    yield file.name, shlex.split(document["spec"]["entrypoint"])[1:]
            for line in re.findall(r"bin/tagger (.*?)'?$", file.read_text(), re.M) if file.suffix == ".service" else ():
                yield file.name, shlex.split(line)


def test_each_command_has_flags_that_exist() -> None:
    found = list(commands())
    assert len(found) == 3
    for file, (job, *words) in found:
        flags = [word[2:].replace("-", "_") for word in words if word.startswith("--")]
        assert set(flags) <= {*JOBS[job].model_fields, "config"}, file
    airflow = (DEPLOY / "airflow/tagger_nightly.py").read_text()
    dagster = (DEPLOY / "dagster/tagger_nightly.py").read_text()
    named = set(re.findall(r'(?<=[ "])--([a-z-]+)', airflow + dagster)) - {"json", "config"}
    assert named <= {name.replace("_", "-") for job in ("tag", "export") for name in JOBS[job].model_fields}


def test_all_nodes_of_a_cluster_have_one_version_of_ray() -> None:
    (pinned,) = re.findall(r"^ray==(.+)$", (ROOT / "constraints.txt").read_text(), re.M)
    versions = [
        v for file in KUBERNETES for v in re.findall(r'rayVersion: "(.+?)"', file.read_text())
    ]  # fmt: skip
    assert versions == [pinned] * 2


def test_the_image_runs_as_a_user_without_rights_from_files_that_there_are() -> None:
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    assert [line for line in lines if line.startswith("USER")] == ["USER 10001:10001"]
    assert 'ENTRYPOINT ["tagger"]' in lines
    copied = [word for line in lines if line.startswith("COPY") and "--from" not in line for word in line.split()[1:-1]]
    allowed = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().split() if line.startswith("!")}
    assert set(copied) == allowed
    assert all((ROOT / name).exists() for name in copied)


def test_the_image_is_made_as_it_should_be() -> None:
    hadolint = Path(sysconfig.get_path("scripts")) / "hadolint"
    linted = subprocess.run([hadolint, DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd, which CI installs")
def test_the_units_are_ones_that_systemd_takes() -> None:
    units = sorted(map(str, (DEPLOY / "systemd").glob("tagger-nightly.*")))
    verified = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stdout, verified.stderr) == (0, "", "")
    calendar = ["systemd-analyze", "calendar", "*-*-* 02:30:00"]
    assert subprocess.run(calendar, capture_output=True, check=False).returncode == 0
