"""What a command does first when a process of Ray is lost."""

import subprocess
import sys

LOSES_ITS_RAY = """
import sys
from ray._private import worker
from tagger.cluster.losses import check_after_loss
from tagger.cluster.session import ray_session
from tagger.errors import TaggerError
from tagger.schemas.configs.options import RayOptions

check_after_loss()
with ray_session(RayOptions()):
    check_after_loss()
    print("goes on", file=sys.stderr)
    (raylet,) = worker._global_node.all_processes["raylet"]
    raylet.process.kill()
    try:
        check_after_loss()
    except TaggerError as error:
        print(error, file=sys.stderr)
print("at its end", file=sys.stderr)
"""


def test_the_end_of_a_commands_own_ray_is_said_and_the_loss_of_a_worker_is_not() -> None:
    said = subprocess.run([sys.executable, "-c", LOSES_ITS_RAY], capture_output=True, text=True, timeout=120)
    expected = [
        "goes on",
        "Ray, which runs inside this command, was killed by signal 9 (was memory used up?); "
        "the same command goes on from here",
        "at its end",
    ]
    assert [line for line in said.stderr.splitlines() if line in expected] == expected, said.stderr
    assert said.returncode == 0
