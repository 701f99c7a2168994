"""Replaces parts of Ray while it starts, as it has no switches for them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from ray._private import utils
from ray._private.node import Node

from tagger.workarounds import Workaround

KEEP_MONITORS = "TAGGER_KEEP_RAY_MONITORS"
"""Environment variable that keeps the autoscaler, the log monitor and the API server of an embedded Ray."""
_NO_CLUSTER_SERVICES = Workaround("no_cluster_services", "ray", first=(2, 60), last=(2, 60))
_OWN_SIGTERM_HANDLER = Workaround("own_sigterm_handler", "ray", first=(2, 60), last=(2, 60))
_CLUSTER_SERVICES = ("start_monitor", "start_log_monitor", "start_api_server")
"""Methods of Ray's `Node`."""


@contextmanager
def without_cluster_services() -> Iterator[None]:
    """Keep Ray from starting its autoscaler, its log monitor and its API server inside the `with`.

    An embedded Ray never gets another node, nobody reads its log stream, and nobody submits jobs to it. Ray has no
    switch for them. On two cores with Ray 2.60, a start takes 1.3 core-seconds of 5.3 less without them, `ray.init`
    waits for no server, and the end takes a second less, in which the autoscaler calls a server that is gone.
    """
    if os.environ.get(KEEP_MONITORS) or not _NO_CLUSTER_SERVICES.is_on():
        yield
        return
    starts = {name: getattr(Node, name) for name in _CLUSTER_SERVICES}
    for name in starts:
        setattr(Node, name, _start_nothing)
    try:
        yield
    finally:
        for name, start in starts.items():
            setattr(Node, name, start)


def _start_nothing(node: Node, **settings: object) -> None:
    """What stands for a method of Ray's that starts a process."""


@contextmanager
def own_sigterm_handler() -> Iterator[None]:
    """Keep Ray from replacing the handler of SIGTERM inside the `with`; its own raises SystemExit anywhere."""
    if not _OWN_SIGTERM_HANDLER.is_on():
        yield
        return
    set_handler = utils.set_sigterm_handler
    utils.set_sigterm_handler = _set_nothing
    try:
        yield
    finally:
        utils.set_sigterm_handler = set_handler


def _set_nothing(handler: object) -> None:
    """What stands for Ray's function that replaces the handler of SIGTERM."""
