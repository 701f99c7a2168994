"""The manifests' own commands, run: the night as in its container, the backfill as a job on a cluster."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.builders import encoded, picture
from tests.control_groups import control_groups
from tests.deploy.test_deploy import DEPLOY, documents
from tests.test_house import ROOT
from tests.two_nodes import two_nodes

pytestmark = pytest.mark.slow
ITEMS = 12
MOST_S = 300


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for number in range(ITEMS):
        (tmp_path / f"images/{number}.jpg").write_bytes(encoded(picture(seed=number)))
    write_manifest(tmp_path, ITEMS)
    return tmp_path


def write_manifest(shop: Path, items: int, key: str = "id") -> None:
    rows = [f"{number},," for number in range(items)]
    (shop / "m.csv").write_text("\n".join([f"{key},masterCategory,articleType", *rows]) + "\n")


def settings(file: str, name: str, shop: Path, bundle: Path, **more: object) -> Path:
    """A configuration of the manifests with a shop's own places."""
    (text,) = (d["data"][name] for d in documents(DEPLOY / "kubernetes" / file) if d["kind"] == "ConfigMap")
    own: dict[str, Any] = yaml.safe_load(text)
    own |= {"manifest": str(shop / "m.csv"), "images": str(shop / "images/{id}.jpg"), "model": str(bundle)}
    own |= {key: [str(shop / "runs")] for key in ("known", "against") if key in own}
    written = shop / name
    written.write_text(yaml.safe_dump({**own, **more}))
    return written


def test_the_night_runs_in_half_a_core_and_a_gigabyte_without_a_home_from_code_that_cannot_be_written(
    shop: Path, bundle_dir: Path
) -> None:
    (job,) = (d for d in documents(DEPLOY / "kubernetes/cronjob.yaml") if d["kind"] == "CronJob")
    (container,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    run = _contained(shop, container["args"])
    write = lambda **more: settings("cronjob.yaml", "nightly.yaml", shop, bundle_dir, **more)  # noqa: E731
    write()
    done = run("tagger-nightly-1")
    assert done.returncode == 0, done.stderr
    counts = json.loads((shop / "runs/tagger-nightly-1/run.json").read_text())["counts"]
    assert (counts["rows"], counts["predictions"]) == (ITEMS, ITEMS)
    assert (shop / "runs/tagger-nightly-1/report.html").exists()
    assert run("tagger-nightly-1").returncode == 0, "a second try of a night that is done"
    write(model=str(shop / "gone"))
    assert run("tagger-nightly-2").returncode == 2
    write()
    write_manifest(shop, ITEMS, key="number")
    assert run("tagger-nightly-3").returncode == 3
    write_manifest(shop, 2 * ITEMS)  # half of them have no picture
    failed = run("tagger-nightly-4")
    assert failed.returncode == 4, failed.stderr


def _contained(shop: Path, arguments: list[str]) -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Runs a container's arguments; a test is skipped where such a container cannot be imitated."""
    places = {"/etc/tagger/nightly.yaml": str(shop / "nightly.yaml"), "s3://shop/runs/": f"{shop}/runs/"}
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": str(shop),
        "TAGGER_FULL_EXIT": "1",
    }
    read_only = f'mount --bind {ROOT} {ROOT} && mount -o remount,bind,ro {ROOT} && ! touch {ROOT}/x && exec "$@"'
    isolated = ["unshare", "--mount", "sh", "-c", read_only, "sh"]
    probe = subprocess.run([*isolated, "true"], capture_output=True, text=True, check=False)
    if probe.returncode:
        pytest.skip(f"nothing can be mounted here: {probe.stderr.strip()}")

    def run(job_name: str) -> subprocess.CompletedProcess[str]:
        words = [word.replace("$(JOB_NAME)", job_name) for word in arguments]
        for place, here in places.items():
            words = [word.replace(place, here) for word in words]
        with control_groups(cores=0.5, memory_bytes=2**30) as enter:
            code = f"{enter}\nimport sys\nfrom tagger.jobs.shell.cli import main\nsys.exit(main({words}))"
            command = [*isolated, sys.executable, "-c", code]
            return subprocess.run(
                command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=MOST_S, check=False
            )

    return run


def test_the_backfill_runs_as_a_job_on_a_cluster(shop: Path, bundle_dir: Path) -> None:
    (job,) = (d for d in documents(DEPLOY / "kubernetes/rayjob.yaml") if d["kind"] == "RayJob")
    config = settings("rayjob.yaml", "backfill.yaml", shop, bundle_dir, out=str(shop / "runs/backfill"))
    command, *words = shlex.split(job["spec"]["entrypoint"])
    assert command == "tagger"
    words = [word.replace("/etc/tagger/backfill.yaml", str(config)) for word in words]
    with two_nodes() as nodes:
        submit = [str(Path(sys.executable).with_name("ray")), "job", "submit", "--address", nodes.dashboard, "--"]
        entry = [sys.executable, "-m", "tagger.jobs.shell.cli", *words]
        done = subprocess.run(
            [*submit, *entry], env=nodes.environment, capture_output=True, text=True, timeout=MOST_S, check=False
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads((shop / "runs/backfill/run.json").read_text())
    assert (record["state"], record["counts"]["predictions"]) == ("done", ITEMS)
