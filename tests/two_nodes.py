"""A Ray cluster of two nodes on loopback, started as the documentation says, that asks for a token."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "a" * 32}
_PATIENCE = {"RAY_health_check_failure_threshold": "100"}
"""On a busy machine a node that is late would be taken for lost."""
_LOOPBACK = "127.0.0.1"
_RAY = [sys.executable, "-m", "ray.scripts.scripts"]
_START_S = 120


@dataclass(frozen=True)
class TwoNodes:
    """Where the cluster is reached, and with which environment."""

    address: str
    dashboard: str
    client: str
    environment: dict[str, str]


@contextmanager
def two_nodes() -> Iterator[TwoNodes]:
    """Have a cluster of two nodes with two CPUs and one, for a while."""
    port, dashboard, client, *agents = _free_ports(5)
    binaries = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, **TOKEN, **_PATIENCE, "PATH": binaries}
    address = f"{_LOOPBACK}:{port}"
    common = ["--node-ip-address", _LOOPBACK, "--disable-usage-stats", "--block", "--object-store-memory", str(10**8)]
    head = ["--head", "--port", port, "--dashboard-host", _LOOPBACK, "--dashboard-port", dashboard]
    head += ["--ray-client-server-port", client, "--num-cpus", "2"]
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="t", dir="/tmp"))
        for agent, role in zip(
            agents, ([*head, "--temp-dir", folder], ["--address", address, "--num-cpus", "1"]), strict=True
        ):
            command = [*_RAY, "start", *role, *common, "--dashboard-agent-listen-port", agent]
            stack.enter_context(_running(command, environment, Path(folder) / f"node-{agent}.log"))
            _wait_for(port)
        _wait_for(dashboard)
        _wait_for_nodes(f"http://{_LOOPBACK}:{dashboard}", 2)
        yield TwoNodes(address, f"http://{_LOOPBACK}:{dashboard}", f"ray://{_LOOPBACK}:{client}", environment)


@contextmanager
def _running(command: list[str], environment: dict[str, str], log: Path) -> Iterator[None]:
    """A process, which is ended with all that it started: `ray stop` would end every Ray of this machine."""
    with log.open("wb") as out, subprocess.Popen(command, env=environment, stdout=out, stderr=out) as process:
        try:
            yield
        finally:
            started = psutil.Process(process.pid)
            for one in [started, *started.children(recursive=True)]:
                with suppress(psutil.NoSuchProcess):
                    one.kill()


def _wait_for_nodes(dashboard: str, nodes: int) -> None:
    """Wait until so many nodes have joined: a node listens before the others know it."""
    request = urllib.request.Request(
        f"{dashboard}/nodes?view=summary", headers={"Authorization": f"Bearer {TOKEN['RAY_AUTH_TOKEN']}"}
    )
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        with suppress(OSError), urllib.request.urlopen(request, timeout=10) as answer:
            summary = json.load(answer)["data"]["summary"]
            if sum(node["raylet"].get("state") == "ALIVE" for node in summary) == nodes:
                return
        time.sleep(0.2)
    raise TimeoutError(f"{dashboard} does not know {nodes} nodes")


def _wait_for(port: str) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        try:
            socket.create_connection((_LOOPBACK, int(port)), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(f"nothing listens on port {port}")


def _free_ports(count: int) -> list[str]:
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((_LOOPBACK, 0))
        return [str(probe.getsockname()[1]) for probe in probes]
