"""How often a drift check gives false alarms, and what it sees: simulated nights from the predictions of a run.

    python -m tests.drift_power --run runs/all --labels styles.csv --blurred runs/blurred --items 100 1000 --nights 1000

Nights are drawn from the run without replacement, its other items are their reference. `--blurred` names a run of some
of the items with blurred pictures. With `--labels`, whose column --type has the true types, items of a type are those
that truly are.
"""

import argparse
import os
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

from tagger.confidence.qa_sample import Precision
from tagger.drift.judge import judge
from tagger.drift.planted import Plant, Pool, planted
from tagger.drift.sample import Night, night_of
from tagger.io.location import Location
from tagger.runs.directory import RunDirectory

_POOL: list[Pool] = []


def _one(task: tuple[Plant, int, int, float]) -> tuple[bool, bool, tuple[str, ...]]:
    plant, items, number, rate = task
    rng = np.random.default_rng([items, number, list(Plant).index(plant)])
    night, reference = planted(plant, _POOL[0], items, rng)
    judged = judge(Night(night, 0), Night(reference, 0), rate, 0.0, seed=number)
    return bool(judged.alarms), judged.holds, tuple(str(finding.statistic) for finding in judged.alarms)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", required=True)
    parser.add_argument("--blurred")
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--type", default="articleType")
    parser.add_argument("--items", type=int, nargs="+", default=[100, 1000, 10000])
    parser.add_argument("--nights", type=int, default=1000, help="without drift")
    parser.add_argument("--planted", type=int, default=50, help="with each plant")
    parser.add_argument("--false-alarms", type=float, default=0.01)
    parser.add_argument("--no-vectors", action="store_true")
    arguments = parser.parse_args()
    sample = night_of(RunDirectory(Location(arguments.run))).sample
    types = None
    if arguments.labels:
        table = pd.read_csv(arguments.labels, dtype=str, on_bad_lines="skip").set_index("id")[arguments.type]
        types = table.reindex(sample.ids).fillna("").to_numpy(object)
    blurred = night_of(RunDirectory(Location(arguments.blurred))).sample if arguments.blurred else None
    if arguments.no_vectors:
        sample, blurred = (s and _without_vectors(s) for s in (sample, blurred))  # type: ignore[assignment]
    _POOL.append(Pool(sample, types, blurred))
    rate = arguments.false_alarms
    print(f"{len(sample):,} items; one false alarm in {1 / rate:g} nights is allowed")
    with ProcessPoolExecutor(os.cpu_count()) as pool:  # forked: the pool of items is shared
        for items in arguments.items:
            for plant in _POOL[0].plants():
                nights = arguments.nights if plant is Plant.NOTHING else arguments.planted
                tasks = [(plant, items, number, rate) for number in range(nights)]
                results = list(pool.map(_one, tasks, chunksize=5))
                print(f"{items:>6} items, {plant.words}: {_shares(results)}", flush=True)


def _without_vectors(sample):  # type: ignore[no-untyped-def]
    from dataclasses import replace

    return replace(sample, vectors=np.empty((len(sample), 0), np.float16))


def _shares(results: list[tuple[bool, bool, tuple[str, ...]]]) -> str:
    seen, held = (np.array([result[k] for result in results]) for k in (0, 1))
    counts = Counter(name for result in results for name in result[2])
    return f"seen {_share(seen)}, held {_share(held)}; {dict(counts.most_common())}"


def _share(hits: np.ndarray) -> str:
    precision = Precision.of(hits, len(hits), 0.95)
    return f"{hits.sum()} of {len(hits)} ({precision.lowest:.1%} to {precision.highest:.1%})"


if __name__ == "__main__":
    main()
