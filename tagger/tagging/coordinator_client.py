"""A worker's way to the coordinator and to the other outcome caches of its run, through Ray."""

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import ray

from tagger.tagging.collector import Claim, Outcome
from tagger.tagging.questions import SEND_EVERY_S, Questions, Sharing


class RayCoordinatorClient:
    """Batches outcomes and counts until the next claim, to save calls.

    Args:
        coordinator: A handle of the `Coordinator`, which has the first cache.
        caches: Handles of further `OutcomeCache`s. A digest belongs to one of all, by its second byte.
        sharing: How the run shares outcomes.
    """

    def __init__(self, coordinator: Any, caches: Sequence[Any], sharing: Sharing) -> None:
        self._coordinator = coordinator
        self._caches = caches
        self._questions = Questions(sharing)
        self._worker = ray.get_runtime_context().get_actor_id()  # the same after a restart
        self._lock = threading.Lock()
        self._outcomes: dict[bytes, Outcome] = {}
        self._rows = 0
        self._sampled: list[bytes] = []
        self._sent_at = time.monotonic()

    def add_outcomes(self, outcomes: Mapping[bytes, Outcome]) -> None:
        """Share outcomes with the other workers; they are sent with the next `claim` or `flush`."""
        if self._questions.about_all:
            with self._lock:
                self._outcomes.update(outcomes)

    def add_rows(self, rows: int) -> None:
        """Count rows as done; the count is sent with the next `claim` or `flush`."""
        with self._lock:
            self._rows += rows

    def claim(self, digests: Sequence[bytes], take_over: bool = False) -> list[Outcome | Claim]:
        """Return the outcome of each digest, or which worker is to predict it."""
        if self._questions.about_all:
            answers = self._ask(digests, take_over)
            self._questions.learn(answers)
            return answers
        self._sampled += self._questions.sample(digests)
        if time.monotonic() - self._sent_at > SEND_EVERY_S:
            sampled, self._sampled = self._sampled, []
            self._questions.learn(self._ask(sampled, take_over=False))
        return [Claim.MINE] * len(digests)

    def flush(self) -> None:
        """Send what has not been sent, and wait until it has arrived, so that a shard that has ended is counted."""
        self._ask([], take_over=False)

    def _ask(self, digests: Sequence[bytes], take_over: bool) -> list[Outcome | Claim]:
        positions, references = self._send(digests, take_over)
        answers: list[Outcome | Claim] = [Claim.MINE] * len(digests)
        for of_cache, of_answers in zip(positions, ray.get(references), strict=True):
            for position, answer in zip(of_cache, of_answers, strict=True):
                answers[position] = answer
        return answers

    def _send(self, digests: Sequence[bytes], take_over: bool) -> tuple[list[list[int]], list[Any]]:
        """Send each cache what belongs to it; return the positions of its digests, and references of its answers."""
        with self._lock:
            rows, outcomes = self._rows, self._outcomes
            self._rows, self._outcomes = 0, {}
            self._sent_at = time.monotonic()
        count = 1 + len(self._caches)
        positions: list[list[int]] = [[] for _ in range(count)]
        for position, digest in enumerate(digests):
            positions[digest[1] % count].append(position)
        shared: list[dict[bytes, Outcome]] = [{} for _ in range(count)]
        for digest, outcome in outcomes.items():
            shared[digest[1] % count][digest] = outcome
        arguments = [([digests[n] for n in of_cache], take_over) for of_cache in positions]
        references = [self._coordinator.exchange.remote(self._worker, rows, shared[0], *arguments[0])]
        for number, cache in enumerate(self._caches, 1):
            references.append(cache.exchange.remote(self._worker, shared[number], *arguments[number]))
        return positions, references
