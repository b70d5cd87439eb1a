"""A real Ray cluster of two nodes on this machine, for the tests that need one."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

_START_S, _END_S = 400, 60
_PROGRAM = Path(__file__).with_name("two_nodes.py")
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # A node that is lost is noticed in seconds, and a slow start on a busy machine is no loss.
    "RAY_health_check_period_ms": "500",
    "RAY_agent_register_timeout_ms": "200000",
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "120",
}


class Cluster(NamedTuple):
    """A running cluster.

    Attributes:
        address: of its head.
        raylets: the raylet's process of each node, by the node's identifier; the head is first.
    """

    address: str
    raylets: dict[str, int]

    @property
    def second(self) -> str:
        """Name the node that is not the head."""
        return list(self.raylets)[1]

    def lose_second(self) -> None:
        """Kill the second node's raylet; the processes of its work end with it."""
        os.kill(self.raylets[self.second], signal.SIGKILL)


@contextmanager
def two_nodes(cores: int = 1) -> Iterator[Cluster]:
    """Run a cluster of two nodes with so many cores each; skip the test where Ray is missing."""
    pytest.importorskip("pyarrow")
    if subprocess.run(
        [sys.executable, "-c", "import ray"], check=False, capture_output=True
    ).returncode:
        pytest.skip("no ray here: pip install 'goodserve[ray]'")
    process = subprocess.Popen(
        [sys.executable, str(_PROGRAM), str(cores)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | ENVIRONMENT,
    )
    with process:
        assert process.stdout is not None
        try:
            ready, _, _ = select.select([process.stdout], [], [], _START_S)
            assert ready, "the cluster does not start"
            yield Cluster(**json.loads(process.stdout.readline()))
        finally:
            try:
                process.communicate(timeout=_END_S)
            except subprocess.TimeoutExpired:
                process.kill()


def free_port() -> int:
    """Give a port that is free now."""
    with socket.create_server(("", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
