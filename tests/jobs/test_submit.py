"""Commands on a real cluster of two nodes that asks for a token: submitted, and joined from outside."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tagger.demo.drawn_catalogue import Drawn
from tests.two_nodes import TwoNodes, two_nodes

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster() -> Iterator[TwoNodes]:
    with two_nodes() as nodes:
        yield nodes


def submit(
    nodes: TwoNodes, *arguments: object, cwd: Path | None = None, **settings: str | None
) -> subprocess.CompletedProcess[str]:
    """`tagger submit` from a machine with these variables besides, or None for without them."""
    environment = {name: value for name, value in (nodes.environment | settings).items() if value is not None}
    command = [sys.executable, "-m", "tagger.jobs.submit", "--address", nodes.dashboard, *map(str, arguments)]
    return subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True)


def tag_arguments(drawn: Drawn, bundle_dir: Path, out: Path | str) -> list[object]:
    return ["tag", "--manifest", drawn.manifest, "--images", drawn.images, "--model", bundle_dir, "--out", out]


def test_a_submitted_command_runs_on_the_whole_cluster_and_warns_of_local_paths(
    cluster: TwoNodes, drawn: Drawn, bundle_dir: Path, tmp_path: Path
) -> None:
    done = submit(cluster, "--", *tag_arguments(drawn, bundle_dir, tmp_path / "run"), "--part-rows", "100")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "which does the work; --ray-address local would keep it on this node" in done.stdout
    lines = [line for line in done.stdout.splitlines() if "the other node looks for them there, too" in line]
    assert len(lines) == 1 and f"--images {drawn.images} and --out {tmp_path / 'run'} lie on this machine" in lines[0]
    assert "workers: 2" in done.stdout, "one of the three CPUs of both nodes feeds the others"
    record = json.loads((tmp_path / "run/run.json").read_text())
    assert pq.read_table(tmp_path / "run/predictions").num_rows == record["counts"]["predictions"] > 0
    assert "INFO" not in done.stdout + done.stderr, "no line of Ray's own"


def test_a_submitted_command_hands_on_its_exit_code_and_what_it_says(cluster: TwoNodes) -> None:
    done = submit(cluster, "--json", "--", "tag", "--no-such-flag")
    assert (done.returncode, json.loads(done.stdout)["exitCode"]) == (2, 2)
    assert "No such option: --no-such-flag" in done.stderr


def test_only_named_variables_go_with_a_command(cluster: TwoNodes, tmp_path: Path) -> None:
    assert submit(cluster, "--env", "NO_SUCH_*", "--", "recipes").returncode == 2
    code = "import os; print(sorted(n for n in os.environ if n.startswith('SHOP_')))"
    script = tmp_path / "tagger"
    script.write_text(f"#!{sys.executable}\n{code}\n")
    script.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{cluster.environment['PATH']}"
    done = submit(cluster, "--env", "SHOP_A*", "--env", "PATH", "--", "recipes", SHOP_AA="1", SHOP_B="2", PATH=path)
    assert "['SHOP_AA']" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("token", "reason"),
    [(None, "Missing authentication token"), ("b" * 32, "Invalid authentication token")],
)
def test_a_token_that_is_not_the_clusters_is_told_from_no_cluster(
    cluster: TwoNodes, token: str | None, reason: str
) -> None:
    mode = None if token is None else "token"
    done = submit(cluster, "--", "recipes", RAY_AUTH_TOKEN=token, RAY_AUTH_MODE=mode)
    assert done.returncode == 2
    assert reason in done.stderr and "RAY_AUTH_TOKEN_PATH, set one" in done.stderr
    assert done.stderr.count("\n") == 1


def test_no_job_server_is_said_in_one_line(cluster: TwoNodes) -> None:
    done = submit(replace(cluster, dashboard="http://127.0.0.1:9"), "--", "recipes")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "--address http://127.0.0.1:9: no job server of a Ray cluster answers there" in done.stderr


def test_a_relative_path_is_refused_on_several_machines(
    cluster: TwoNodes, drawn: Drawn, bundle_dir: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "tagger.jobs.tag", *tag_arguments(drawn, bundle_dir, "run")[1:]]
    done = subprocess.run(
        [*map(str, command), "--ray-address", cluster.address],
        env=cluster.environment, cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert "--out run: is a relative path, and Ray runs on 2 machines; name the full path" in done.stderr
    assert not (tmp_path / "run").exists(), "a refused command leaves no run behind"


def test_a_submitted_command_that_is_interrupted_is_stopped(cluster: TwoNodes, tmp_path: Path) -> None:
    script = tmp_path / "tagger"
    script.write_text(f"#!{sys.executable}\nimport os, time\nprint('pid', os.getpid())\nwhile True: time.sleep(1)\n")
    script.chmod(0o755)
    environment = cluster.environment | {"PATH": f"{tmp_path}{os.pathsep}{cluster.environment['PATH']}"}
    command = [sys.executable, "-m", "tagger.jobs.submit", "--address", cluster.dashboard, "--env", "PATH", "--"]
    with subprocess.Popen(
        [*command, "recipes"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        pid = next(int(line.split()[1]) for line in process.stdout if line.startswith("pid"))
        process.terminate()
        out, err = process.communicate()
        assert process.returncode == 130, out + err
    deadline = time.monotonic() + 30
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not Path(f"/proc/{pid}").exists()
