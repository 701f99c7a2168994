"""What it costs that workers share outcomes: `python -m tests.sharing_cost`.

It measures the CPU time of the process that answers, and of the one that asks, for each way of sharing. One worker asks
here; the load of many is computed from it.
"""

import ray

from tagger.jobs.benchmark.scheduling_costs import sharing_costs
from tagger.tagging.questions import Sharing, sharing_of

_IMAGES_A_WORKER = 750
_WORKERS = (16, 128, 1000)


def main() -> None:
    """Print microseconds an image, and how many processes would be busy with answers."""
    ray.init(num_cpus=2, include_dashboard=False, logging_level="error", log_to_driver=False)
    print("| sharing | vectors | asked, us | answered, us | " + " | ".join(f"{n} workers" for n in _WORKERS) + " |")
    ways: tuple[tuple[Sharing, bool], ...] = (("all", False), ("all", True), ("sample", False), ("none", True))
    for sharing, vectors in ways:
        asked, answered = (1e6 * cost for cost in sharing_costs(sharing, vectors))
        busy = " | ".join(f"{answered * n * _IMAGES_A_WORKER / 1e6:.2f}" for n in _WORKERS)
        print(f"| {sharing} | {vectors} | {asked:.2f} | {answered:.2f} | {busy} |")
    for workers in _WORKERS:
        without, with_vectors = (sharing_of(workers, workers, vectors) for vectors in (False, True))
        print(f"{workers} workers: {without}, with vectors {with_vectors}")


if __name__ == "__main__":
    main()
