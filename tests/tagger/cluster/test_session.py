import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import ray

from tagger.cluster.session import _init, _kill, ray_session
from tagger.io.signals import interrupted_by_signals
from tagger.schemas.configs.options import RayOptions
from tests.control_groups import control_groups

pytestmark = pytest.mark.slow
GB = 2**30
CLUSTER = """
import json, sys
import ray
from tagger.cluster.session import ray_session
from ray._common.usage.usage_constants import CLUSTER_METADATA_KEY
from ray._common.usage.usage_lib import get_cluster_metadata
from tagger.schemas.configs.options import RayOptions

with ray_session(RayOptions()):
    client = ray._private.worker.global_worker.gcs_client
    metadata = json.dumps({**get_cluster_metadata(client), **json.loads(sys.argv[1])}).encode()
    client.internal_kv_put(CLUSTER_METADATA_KEY, metadata, overwrite=True, namespace=b"cluster")
    print(ray.get_runtime_context().gcs_address, flush=True)
    sys.stdin.read()
"""
JOIN = """
import sys
from tagger.cluster.session import ray_session
from tagger.schemas.configs.options import RayOptions
from tagger.errors import UsageError

try:
    with ray_session(RayOptions(ray_address=sys.argv[1])):
        print("joined")
except UsageError as error:
    print(error)
"""
TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "a" * 32}
CODE = """
import os
import signal
import subprocess
import sys
from pathlib import Path
import psutil
import ray
from tagger.jobs.benchmark.process_tree import tree_of
from tagger.jobs.shell.outcome import exit_code_of
from tagger.cluster.session import ray_session
from tagger.schemas.configs.options import RayOptions

script = Path(sys.argv[1]) / "monitor.py"
script.write_text("input()")
child_of_user = subprocess.Popen([sys.executable, script], stdin=subprocess.PIPE)
def interrupted_at_the_end(*arguments, **settings):
    signal.raise_signal(signal.SIGTERM)
    shutdown(*arguments, **settings)

def work():
    before = signal.getsignal(signal.SIGTERM)
    with ray_session(RayOptions()):
        assert signal.getsignal(signal.SIGTERM) is before
        assert ray.get(ray.remote(lambda: 6 * 7).remote()) == 42
        lines = [" ".join(child.cmdline()) for child in psutil.Process().children() if child.status() != "zombie"]
        assert any("raylet" in line for line in lines), lines
        assert [line for line in lines if "monitor.py" in line] == [f"{sys.executable} {script}"], lines
        assert not any("dashboard.py" in line for line in lines), lines
        ray.shutdown = interrupted_at_the_end
    raise AssertionError("the signal was lost")

shutdown = ray.shutdown
assert exit_code_of(work) == 130, "a signal waits until Ray has ended, and then ends the command"
assert child_of_user.poll() is None, "a child of the user that has the name of one of Ray's"
child_of_user.kill()
child_of_user.wait()
assert [name for pid, name in tree_of(os.getpid()).items() if pid != os.getpid() and name] == []
"""


def with_tokens(**settings: str) -> dict[str, str]:
    """The environment with these settings of tokens and no others."""
    return {**{name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}, **settings}


@pytest.fixture(scope="module")
def token_cluster() -> Iterator[str]:
    """The address of a cluster that requires TOKEN."""
    with cluster(with_tokens(**TOKEN)) as address:
        yield address


@contextmanager
def cluster(environment: dict[str, str], metadata: str = "{}") -> Iterator[str]:
    """Run Ray in a separate process, with this metadata; yield its address."""
    command = [sys.executable, "-c", CLUSTER, metadata]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address, process.communicate()[1]
        yield address
        process.communicate("")


def join(address: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", JOIN, address], capture_output=True, text=True, env=environment)


def test_an_address_without_a_cluster_says_so_and_nothing_of_tokens() -> None:
    messages = {
        "127.0.0.1:9": "nothing answers there",
        "ray://127.0.0.1:9": "nothing answers there",
        "nowhere.invalid:6379": "nothing answers there",
        "127.0.0.1:99999": "nothing answers there",
        "http://127.0.0.1:8265": "this is the address of a dashboard, which tagger submit takes",
        "nonsense": "no Ray cluster can be joined there",
    }
    code = (
        "import sys\n"
        "from tagger.cluster.session import ray_session\n"
        "from tagger.errors import UsageError\n"
        "from tagger.schemas.configs.options import RayOptions\n"
        "for address in sys.argv[1:]:\n"
        "    try:\n"
        "        with ray_session(RayOptions(ray_address=address)):\n"
        "            print('joined')\n"
        "    except UsageError as error:\n"
        "        print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code, *messages], capture_output=True, text=True)
    said = done.stdout.splitlines()
    assert len(said) == len(messages), done.stdout + done.stderr
    for line, (address, message) in zip(said, messages.items(), strict=True):
        assert line.startswith(f"--ray-address {address}: {message}")
        assert address == "nonsense" or "token" not in line


def test_a_cluster_of_another_version_is_refused_with_both_versions() -> None:
    environment = with_tokens(RAY_AUTH_MODE="disabled")
    with cluster(environment, '{"ray_version": "2.9.3", "python_version": "3.9.1"}') as address:
        done = join(address, environment)
    assert done.stdout.startswith(f"--ray-address {address}: no Ray cluster can be joined there: Version mismatch"), (
        done.stderr
    )
    assert "The cluster was started with: Ray: 2.9.3 Python: 3.9.1 This process" in done.stdout
    assert f"was started with: Ray: {ray.__version__} Python: {platform.python_version()}" in done.stdout
    assert "token" not in done.stdout


def test_a_cluster_that_asks_for_another_token_says_so_in_one_line(token_cluster: str) -> None:
    environments = [with_tokens(), with_tokens(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN="b" * 32)]
    with ThreadPoolExecutor() as threads:  # Ray tries for 20 s
        for done in threads.map(join, [token_cluster] * 2, environments):
            expected = "the cluster requires a different token than this process has; RAY_AUTH_MODE=token"
            assert expected in done.stdout, done.stderr
            assert (done.stdout.count("\n"), done.stderr) == (1, "")


def test_a_cluster_is_joined_with_its_token(token_cluster: str) -> None:
    assert join(token_cluster, with_tokens(**TOKEN)).stdout == "joined\n"


def test_an_embedded_ray_works_without_what_only_clusters_need_and_leaves_nothing_though_interrupted(
    tmp_path: Path,
) -> None:
    done = subprocess.run([sys.executable, "-c", CODE, str(tmp_path)], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stderr == "tagger: interrupted; the same command goes on from here\n", "Ray says nothing"


def test_a_variable_leaves_an_embedded_ray_its_monitors() -> None:
    code = (
        "import psutil\n"
        "from tagger.cluster.session import ray_session\n"
        "from tagger.schemas.configs.options import RayOptions\n"
        "with ray_session(RayOptions()):\n"
        "    print([child.cmdline() for child in psutil.Process().children()])"
    )
    environment = os.environ | {"TAGGER_KEEP_RAY_MONITORS": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert all(f"/{name}.py" in done.stdout for name in ("monitor", "log_monitor", "dashboard")), done.stderr


def test_an_embedded_ray_takes_no_more_than_its_container_has() -> None:
    code = (
        "import ray\n"
        "from tagger.cluster.session import compute_cores, ray_session\n"
        "from tagger.schemas.configs.options import RayOptions\n"
        "with ray_session(RayOptions()):\n"
        "    resources = ray.cluster_resources()\n"
        "    print(resources['CPU'], compute_cores(RayOptions()), resources['object_store_memory'])"
    )
    with control_groups(cores=1.5, memory_bytes=4 * GB) as enter:
        done = subprocess.run([sys.executable, "-c", f"{enter}\n{code}"], capture_output=True, text=True)
    assert done.stdout.split() == ["2.0", "1", str(float(GB))], done.stderr


def test_an_embedded_ray_needs_no_home_says_when_it_ignores_a_cluster_and_leaves_nothing(tmp_path: Path) -> None:
    """In a folder with packages of the names of ours, which its workers must not import.

    Nothing starts another Ray after its end, as a thread of Ray Data would that was still busy when a signal came.
    """
    for name in ("jobs", "schemas", "tagger"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    code = (
        "import ray, sys\n"
        "sys.path.remove('')\n"
        "from tagger.cluster.session import ray_session\n"
        "from tagger.schemas.configs.options import RayOptions\n"
        "with ray_session(RayOptions()):\n"
        "    print(ray.get(ray.remote(lambda: __import__('tagger.schemas.documents.run').__name__).remote()))\n"
        "try:\n"
        "    ray.put(2)\n"
        "except Exception as error:\n"
        "    print(ray.is_initialized(), error)"
    )
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as temporary:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}
        environment |= {"HOME": "/proc/nowhere", "TMPDIR": temporary, "RAY_ADDRESS": "127.0.0.1:9"}
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert not list(Path(temporary).iterdir())
    name, after = done.stdout.split("\n", 1)
    assert name == "tagger", done.stderr
    assert after.startswith("False") and "Ray has not been started yet" in after, after + done.stderr
    assert "RAY_ADDRESS is ignored" in done.stderr


def test_an_address_is_said_to_be_ignored_where_ray_runs_already(
    embedded_ray: None, caplog: pytest.LogCaptureFixture
) -> None:
    with ray_session(RayOptions(ray_address="127.0.0.1:9")):
        pass
    assert "--ray-address 127.0.0.1:9 is ignored" in caplog.text


def test_a_signal_while_ray_starts_waits_until_it_has_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray sets a handler of its own, which would end the process in the middle of a client's making."""
    started = []

    def init(**settings: object) -> None:
        ray._private.utils.set_sigterm_handler(lambda *received: sys.exit(1))
        signal.raise_signal(signal.SIGTERM)
        started.append(True)

    monkeypatch.setattr(ray, "init", init)
    with interrupted_by_signals(lambda number, frame: None), pytest.raises(KeyboardInterrupt):
        _init(tmp_path)
    assert started


def test_an_ended_process_that_its_parent_has_not_collected_is_not_waited_for() -> None:
    careless = "import subprocess, sys; print(subprocess.Popen(['sleep', '60']).pid, flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", careless], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        began = time.monotonic()
        _kill([child])
        assert time.monotonic() - began < 2
        assert child.status() == psutil.STATUS_ZOMBIE
