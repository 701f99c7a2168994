import subprocess
import sys

CODE = """
import os
import ray
from jobs.process_tree import tree_of
from jobs.ray_session import ray_session
from schemas.options import RayOptions

with ray_session(RayOptions()):
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
