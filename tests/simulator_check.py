"""Compares the simulated schedule with real runs on this machine.

    python -m tests.simulator_check [--model BUNDLE] [--items 4096] [--workers 1 2 4] [--rounds 1] [--costs FILE]

It measures the costs as `tagger bench --cluster` does, or reads them from a file, then runs `tagger tag` on the same
images with each number of workers, and prints real and simulated seconds with their ratio. The aim is a ratio of 0.85
to 1.15 on a machine that does nothing else and has a core for each worker.
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import median

from tagger.io.location import Location
from tagger.jobs.benchmark.cluster_costs import measure_costs, read_costs
from tagger.jobs.benchmark.cluster_model import Cluster, Phase, simulate
from tagger.jobs.benchmark.inputs import random_bundle, write_images
from tagger.jobs.benchmark.tag_job import TagJob
from tagger.jobs.shell.console import Console
from tagger.machine import usable_cores
from tagger.models.bundle import Bundle
from tagger.schemas.configs.bench import BenchConfig
from tagger.schemas.configs.tag import TagConfig

_PART_ROWS = TagConfig.model_fields["part_rows"].default


def main() -> None:
    """Measure, run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a bundle; without one, MobileNetV2 with random weights")
    parser.add_argument("--items", type=int, default=4096)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--costs", type=Path, help="what tagger bench --cluster printed with --json")
    asked = parser.parse_args()
    config = BenchConfig(model=asked.model, items=asked.items, rounds=asked.rounds, cluster="1x1", rows=[asked.items])
    cores = usable_cores()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        bundle = Bundle.load(Location(config.model)) if config.model else random_bundle(config)
        bundle.save(Location(str(work / "bundle")))
        files = write_images(config, bundle, work)
        job = TagJob(work, "auto", cores)
        manifest, images = work / "all.csv", f"{work}/images/{{id}}.jpg"
        if asked.costs:
            costs = read_costs(asked.costs)
            manifest.write_text("id\n" + "".join(f"{file.stem}\n" for file in files))
            job(manifest, images)  # chooses an engine, which later calls take without comparing
        else:
            costs = measure_costs(config, bundle, files, job, Console())
        print("| workers | real, s | simulated, s | ratio | real tagging, s | simulated, s | ratio |")
        for workers in asked.workers:
            if workers > cores:
                print(f"| {workers} | this machine has {cores} cores |")
                continue
            runs = [replace(job, workers=workers)(manifest, images) for _ in range(asked.rounds)]
            played = simulate(costs, Cluster(1, cores, workers), len(files), _PART_ROWS)
            tagging = played.phases[Phase.TAGGING] + costs.worker_start
            real_s, real_tagging_s = (median(s) for s in zip(*((r.seconds, r.tagging_s) for r in runs), strict=True))
            print(
                f"| {workers} | {real_s:.1f} | {played.seconds:.1f} | {real_s / played.seconds:.2f} "
                f"| {real_tagging_s:.1f} | {tagging:.1f} | {real_tagging_s / tagging:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
