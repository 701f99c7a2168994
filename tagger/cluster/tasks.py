"""Calls in many processes of a cluster, or of one machine."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from tagger.errors import TaggerError
from tagger.io.location import first_line


def in_tasks(method: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
    """Call a function in Ray tasks, one for each set of arguments; yield numbers and results as they come; see `Tasks`.

    Args:
        method: A picklable function, or a bound method of a picklable object, which is sent once to each node.
        arguments: Of each call.

    Raises:
        TaggerError: raised by a call, or when the process of a call was lost repeatedly.
    """
    sent = ray.put(method)
    task = ray.remote(num_cpus=1, scheduling_strategy="SPREAD")(_call)
    running = {task.remote(sent, *each): number for number, each in enumerate(arguments)}
    try:
        while running:
            done, _ = ray.wait(list(running), num_returns=1)
            for ref in done:
                yield running.pop(ref), ray.get(ref)
    except RayTaskError as error:
        raise error.cause if isinstance(error.cause, TaggerError) else error  # noqa: B904 - its own words
    except RayError as error:
        raise TaggerError(f"a process was lost again and again: {first_line(error)}") from error
    finally:
        for ref in running:
            ray.cancel(ref)


def on_every_node(method: Callable[..., Any], *arguments: Any) -> list[Any]:
    """Call a picklable function once on each node of the cluster; the results, None from a node that was lost."""
    task = ray.remote(num_cpus=0, max_retries=0)(_call)
    nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
    strategies = [NodeAffinitySchedulingStrategy(node, soft=False) for node in nodes]
    running = [task.options(scheduling_strategy=strategy).remote(method, *arguments) for strategy in strategies]
    return [_result(ref) for ref in running]


def _result(ref: Any) -> Any:
    try:
        return ray.get(ref)
    except RayTaskError:
        raise
    except RayError:
        return None


def _call(method: Callable[..., Any], *arguments: Any) -> Any:
    return method(*arguments)
