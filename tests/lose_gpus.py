"""Tags a catalogue with engines on pretended GPUs, of which some are lost: MANIFEST IMAGES MODEL OUT.

The workers are on the head node, the engines on nodes of their own. An engine is killed, then its node is lost, then a
node comes, then the first other one is lost, too. Ray is told of GPUs that are not there.
"""

import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_health_check_failure_threshold", "3")  # a lost node is noticed within seconds
os.environ.setdefault("RAY_health_check_period_ms", "1000")

import psutil
import ray
from ray.cluster_utils import Cluster

from tagger.confidence.thresholds import Thresholds
from tagger.engines.base import PreparedEngine
from tagger.engines.choose import prepare
from tagger.io.location import Location
from tagger.models.bundle import Bundle
from tagger.runs.directory import RunDirectory
from tagger.runs.staging import stage
from tagger.tagging.gpu_engines import EngineServer
from tagger.tagging.on_ray import tag_shards
from tagger.tagging.shard_tagger import TagPlan
from tagger.tagging.worker_pool import Workers
from tests.builders import catalog_of

PART_ROWS = 8


class Faults:
    """What happens to a cluster, each after so many parts of the run."""

    def __init__(self, cluster: Any, run: RunDirectory) -> None:
        self._cluster = cluster
        self._run = run
        self._nodes = [self._add(), self._add()]
        self._plan: list[tuple[int, Callable[[], object]]] = [
            (2, self._kill_an_engine), (6, self._lose), (10, self._add_one), (14, self._lose),
        ]  # fmt: skip
        self.done: list[str] = []
        self.states: set[str] = set()

    def __call__(self, rows: int, state: str) -> None:
        """Called while the run goes on."""
        self.states.add(state)
        parts = len(self._run.predictions.files())
        if self._plan and parts >= self._plan[0][0]:
            _, fault = self._plan.pop(0)
            fault()
            self.done.append(f"{fault.__name__.strip('_')} after {parts} parts")

    def _add(self) -> Any:
        return self._cluster.add_node(num_cpus=0, num_gpus=1)

    def _add_one(self) -> None:
        self._nodes.append(self._add())

    def _lose(self) -> None:
        self._cluster.remove_node(self._nodes.pop(0), allow_graceful=False)

    def _kill_an_engine(self) -> None:
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if f"ray::{EngineServer.__name__}" in " ".join(process.cmdline()):
                    os.kill(process.pid, signal.SIGKILL)
                    return


def main() -> None:
    """Tag with faults into OUT/lossy, without engines elsewhere into OUT/calm, and print what happened."""
    manifest_file, images, model, out = sys.argv[1:]
    logging.getLogger("ray").setLevel(logging.ERROR)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 3, "num_gpus": 0, "include_dashboard": False})
    bundle = Bundle.load(Location(model))
    ray.init(address=cluster.address, logging_level="ERROR", log_to_driver=False)
    happened, states = [], set()
    for name, gpus in (("lossy", 2), ("calm", 0)):
        manifest, store = catalog_of(manifest_file, images)
        run = RunDirectory(Location(f"{out}/{name}"))
        staged = stage(manifest, store, run.work, run.rejects, PART_ROWS)
        plan = TagPlan(run, name, store, bundle.card, Thresholds.of_policy(None), 10**8, 4)
        prepared: Future[PreparedEngine] = Future()
        prepared.set_result(prepare(bundle, "torch-cpu-float32", 4))
        watch = Faults(cluster, run) if gpus else lambda rows, state: None
        tag_shards(plan, prepared, range(staged.shards), Workers(2, 2, gpus), watch)
        if isinstance(watch, Faults):
            happened, states = watch.done, watch.states
    ray.shutdown()
    cluster.shutdown()
    parts = len(list(Path(out).glob("calm/predictions/*.parquet")))
    print(json.dumps({"parts": parts, "happened": happened, "states": sorted(states)}))


if __name__ == "__main__":
    main()
