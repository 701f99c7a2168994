"""A thread that waits for an actor comes to its end when the command does."""

import threading
import time

import pytest
import ray

from tagger.cluster.actors import end_actors
from tagger.flow.watch import run_watched

pytestmark = pytest.mark.usefixtures("embedded_ray")


class Slow:
    """An actor whose answer takes long."""

    def answer(self) -> None:
        time.sleep(300)


def test_an_interrupt_ends_the_thread_that_waits_for_an_actor() -> None:
    actor = ray.remote(num_cpus=0)(Slow).remote()
    waiting: list[threading.Thread] = []

    def work() -> None:
        waiting.append(threading.current_thread())
        ray.get(actor.answer.remote())

    def look() -> None:
        if waiting:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_watched(work, look, every_s=0.1, stop=end_actors)
    assert not waiting[0].is_alive()
