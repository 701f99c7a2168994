"""Ends what threads of this process wait for."""

from contextlib import suppress

import ray
from ray._private import state, worker
from ray.exceptions import ActorHandleNotFoundError


def end_actors() -> None:
    """Kill the actors that this process has made, so that threads that wait for their answers come to their end.

    When Ray is shut down while a thread waits for an answer, Ray 2.60 goes on in memory that is freed already, now and
    then: the process ends with a segmentation fault in place of its exit code.
    """
    if not ray.is_initialized():
        return
    job = ray.get_runtime_context().get_job_id()
    for actor in state.actors().values():
        if actor["JobID"] != job or actor["State"] == "DEAD":
            continue
        with suppress(ActorHandleNotFoundError):  # another actor has made it
            worker.global_worker.core_worker.kill_actor(ray.ActorID.from_hex(actor["ActorID"]), True)
