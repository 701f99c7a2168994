"""Tags a catalogue with workers that decode and engines elsewhere, as with GPUs: MANIFEST IMAGES MODEL OUT.

Ray is told of two GPUs that are not there; the engines that it places on them are OpenVINO's or PyTorch's for CPUs.
"""

import json
import sys
from concurrent.futures import Future
from pathlib import Path

import ray

from tagger.confidence.thresholds import Thresholds
from tagger.engines.base import PreparedEngine
from tagger.engines.choose import prepare
from tagger.io.location import Location
from tagger.models.bundle import Bundle
from tagger.runs.directory import RunDirectory
from tagger.runs.staging import stage
from tagger.tagging.on_ray import tag_shards
from tagger.tagging.shard_tagger import TagPlan
from tagger.tagging.worker_pool import Workers
from tests.builders import catalog_of


def main() -> None:
    """Run both topologies into OUT/split and OUT/fused."""
    manifest_file, images, model, out = sys.argv[1:]
    ray.init("local", num_cpus=4, num_gpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    bundle = Bundle.load(Location(model))
    for name, gpus in (("split", 2), ("fused", 0)):
        manifest, store = catalog_of(manifest_file, images)
        run = RunDirectory(Location(f"{out}/{name}"))
        staged = stage(manifest, store, run.work, run.rejects, 64)
        plan = TagPlan(run, name, store, bundle.card, Thresholds.of_policy(None), 10**8, 16)
        prepared: Future[PreparedEngine] = Future()
        prepared.set_result(prepare(bundle, "torch-cpu-float32", 16))
        tag_shards(plan, prepared, range(staged.shards), Workers(2, 2, gpus), lambda rows, state: None)
    ray.shutdown()
    print(json.dumps({"parts": len(list(Path(out).glob("split/predictions/*.parquet")))}))


if __name__ == "__main__":
    main()
