"""Tags a catalogue on a cluster of two nodes, and loses one in the middle: `python -m tests.lose_a_node …`.

The result is compared with that of a run that was not disturbed: `--undisturbed RUN`, or one that is made for it.
"""

import contextlib
import json
import logging
import os
import threading
import time
from pathlib import Path

os.environ.setdefault("RAY_health_check_failure_threshold", "3")  # a lost node is noticed within seconds
os.environ.setdefault("RAY_health_check_period_ms", "1000")

import ray
from ray.cluster_utils import Cluster

from tagger.jobs.shell import cli
from tests.builders import tag_arguments
from tests.kill_runs import predictions


def main() -> None:
    """Run the tag job undisturbed, then on a cluster that loses a node after the first parts, and compare."""
    parser = tag_arguments(part_rows=16)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--undisturbed", type=Path)
    given = parser.parse_args()
    common = [
        "tag", "--manifest", given.manifest, "--images", given.images, "--model", given.model, "--part-rows",
        str(given.part_rows), "--workers", "3", "--device", "cpu", "--engine", given.engine,
    ]  # fmt: skip
    logging.getLogger("ray").setLevel(logging.ERROR)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    node = cluster.add_node(num_cpus=2)
    cluster.wait_for_nodes()
    ray.init(address=cluster.address, logging_level="ERROR", log_to_driver=False)  # the command finds it running
    lost_after: list[int] = []

    def lose() -> None:
        parts = given.out / "lossy/predictions"
        while not lost_after:
            done = len(list(parts.glob("part-*.parquet"))) if parts.exists() else 0
            if done >= 2:
                cluster.remove_node(node, allow_graceful=False)
                lost_after.append(done)
            time.sleep(0.01)

    loser = threading.Thread(target=lose, daemon=True)
    loser.start()
    with contextlib.suppress(SystemExit):
        cli.main([*common, "--out", str(given.out / "lossy")])
    loser.join(timeout=60)
    alive = _nodes_when_one_is_left()
    if not given.undisturbed:
        with contextlib.suppress(SystemExit):
            cli.main([*common, "--out", str(given.out / "calm")])
    ray.shutdown()
    cluster.shutdown()
    lossy, calm = predictions(given.out / "lossy"), predictions(given.undisturbed or given.out / "calm")
    print(json.dumps({"rows": len(calm), "equal": lossy.equals(calm), "nodes": alive, "lostAfterParts": lost_after}))


def _nodes_when_one_is_left() -> int:
    """How many nodes live; the run may have ended before the loss of one was noticed."""
    deadline = time.monotonic() + 30
    while (alive := sum(n["Alive"] for n in ray.nodes())) > 1 and time.monotonic() < deadline:
        time.sleep(0.1)
    return alive


if __name__ == "__main__":
    main()
