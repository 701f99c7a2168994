"""What it costs that workers share outcomes: `python -m tests.sharing_cost`.

It measures the CPU time of the process that answers, and of the one that asks, for each way of sharing. One worker asks
here; the load of many is computed from it.
"""

import hashlib
import math
import time
from collections.abc import Iterator

import ray

from tagger.tagging.collector import outcome_type
from tagger.tagging.coordinator import Coordinator
from tagger.tagging.coordinator_client import RayCoordinatorClient
from tagger.tagging.questions import Sharing, sharing_of

_PIECE, _PIECES = 1024, 100
_IMAGES_A_WORKER = 750
_PIECES_A_SEND = 4  # 750 images a second for five seconds
_WORKERS = (16, 128, 1000)
_VECTOR = 1280


class Measured(Coordinator):
    """A coordinator that knows its CPU time."""

    def cpu_s(self) -> float:
        """Seconds of this process so far."""
        return time.process_time()


def main() -> None:
    """Print microseconds an image, and how many processes would be busy with answers."""
    ray.init(num_cpus=2, include_dashboard=False, logging_level="error", log_to_driver=False)
    print("| sharing | vectors | asked, us | answered, us | " + " | ".join(f"{n} workers" for n in _WORKERS) + " |")
    ways: tuple[tuple[Sharing, bool], ...] = (("all", False), ("all", True), ("sample", False), ("none", True))
    for sharing, vectors in ways:
        asked, answered = _cost(sharing, vectors)
        busy = " | ".join(f"{answered * n * _IMAGES_A_WORKER / 1e6:.2f}" for n in _WORKERS)
        print(f"| {sharing} | {vectors} | {asked:.2f} | {answered:.2f} | {busy} |")
    for workers in _WORKERS:
        without, with_vectors = (sharing_of(workers, workers, vectors) for vectors in (False, True))
        print(f"{workers} workers: {without}, with vectors {with_vectors}")


def _cost(sharing: Sharing, vectors: bool) -> tuple[float, float]:
    """CPU time of the asking and of the answering process, in microseconds an image."""
    coordinator = ray.remote(num_cpus=0)(Measured).remote()
    client = RayCoordinatorClient(coordinator, [], sharing)
    outcome = bytes(outcome_type(_VECTOR if vectors else 0).itemsize)
    before, began = ray.get(coordinator.cpu_s.remote()), time.process_time()
    for number, digests in enumerate(_pieces()):
        if number % _PIECES_A_SEND == 0:
            client._sent_at = -math.inf  # a real worker takes longer, and sends as often by the clock
        client.claim(digests)
        client.add_outcomes(dict.fromkeys(digests, outcome))
        client.add_rows(len(digests))
    client.flush()
    asked = time.process_time() - began
    answered = ray.get(coordinator.cpu_s.remote()) - before
    ray.kill(coordinator)
    return 1e6 * asked / (_PIECE * _PIECES), 1e6 * answered / (_PIECE * _PIECES)


def _pieces() -> Iterator[list[bytes]]:
    for first in range(0, _PIECE * _PIECES, _PIECE):
        yield [hashlib.sha256(str(first + n).encode()).digest() for n in range(_PIECE)]


if __name__ == "__main__":
    main()
