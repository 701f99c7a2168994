import os
import subprocess
import sys
import tempfile
from pathlib import Path

CODE = """
import os
import signal
import ray
from jobs.process_tree import tree_of
from jobs.ray_session import ray_session
from schemas.options import RayOptions

before = signal.getsignal(signal.SIGTERM)
with ray_session(RayOptions()):
    assert signal.getsignal(signal.SIGTERM) is before
    assert ray.get(ray.remote(lambda: 6 * 7).remote()) == 42
    import psutil
    lines = [" ".join(child.cmdline()) for child in psutil.Process().children() if child.status() != "zombie"]
    assert any("raylet" in line for line in lines), lines
    assert not [line for line in lines if "monitor.py" in line], lines
assert [name for pid, name in tree_of(os.getpid()).items() if pid != os.getpid() and name] == []
"""


def test_an_embedded_ray_works_without_what_only_clusters_need_and_leaves_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stderr == "", "nor says a word"


def test_an_embedded_ray_needs_no_home_says_when_it_ignores_a_cluster_and_leaves_nothing(tmp_path: Path) -> None:
    """In a folder with packages of the names of ours, which its workers must not import."""
    for name in ("jobs", "schemas", "tagger"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    code = (
        "import ray, sys\n"
        "sys.path.remove('')\n"
        "from jobs.ray_session import ray_session\n"
        "from schemas.options import RayOptions\n"
        "with ray_session(RayOptions()):\n"
        "    print(ray.get(ray.remote(lambda: __import__('schemas.run').__name__).remote()))"
    )
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as temporary:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}
        environment |= {"HOME": "/proc/nowhere", "TMPDIR": temporary, "RAY_ADDRESS": "127.0.0.1:9"}
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert not list(Path(temporary).iterdir())
    assert done.stdout == "schemas\n", done.stderr
    assert "RAY_ADDRESS is not looked at" in done.stderr


def test_nothing_starts_another_ray_after_the_end_of_one() -> None:
    """As a thread of Ray Data would that was still busy when a signal came."""
    code = (
        "import ray\n"
        "from jobs.ray_session import ray_session\n"
        "from schemas.options import RayOptions\n"
        "with ray_session(RayOptions()):\n"
        "    ray.put(1)\n"
        "try:\n"
        "    ray.put(2)\n"
        "except Exception as error:\n"
        "    print(ray.is_initialized(), error)"
    )
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as temporary:
        environment = {**os.environ, "TMPDIR": temporary}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
        assert not list(Path(temporary).iterdir())
    assert done.stdout.startswith("False") and "Ray has not been started yet" in done.stdout, done.stdout + done.stderr
