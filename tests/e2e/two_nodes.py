"""Runs a Ray cluster of two nodes, each with a raylet of its own, until stdin ends.

A program, not a part of the tests' process: Ray warns there, and sets what it likes.
"""

import contextlib
import json
import os
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from ray.cluster_utils import Cluster

# Where a port is left to Ray, a raylet waits 15 s for the agent that chooses it, and then gives up.
# For the first of these it waits though it is named.
_LISTEN = "dashboard_agent_listen_port"
_PORTS = (_LISTEN, "metrics_agent_port", "metrics_export_port", "runtime_env_agent_port")
_NEEDLESS = {"include_dashboard": False, "include_log_monitor": False, "no_monitor": True}
_TRIES = 6


def main() -> None:
    """Start it, and print where it is, and the raylet's process of each node."""
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        cluster = Cluster()
        first, second = (add_node(cluster, Path(folder)) for _ in range(2))
        raylets = {
            node.node_id: node.all_processes["raylet"][0].process.pid for node in (first, second)
        }
        print(json.dumps({"address": cluster.address, "raylets": raylets}), flush=True)
        sys.stdin.read()
        cluster.shutdown()


def add_node(cluster: Cluster, folder: Path) -> Any:
    """Start a node; again where the machine is so busy that its parts do not find each other."""
    for attempt in range(_TRIES):
        node_id, ports = os.urandom(28).hex(), free_ports()
        name = f"{_LISTEN}_{node_id}"
        threading.Thread(target=tell, args=(folder, name, ports[_LISTEN]), daemon=True).start()
        try:
            return cluster.add_node(
                num_cpus=int(sys.argv[1]),
                env_vars={"RAY_OVERRIDE_NODE_ID_FOR_TESTING": node_id},
                temp_dir=str(folder),
                **_NEEDLESS,
                **ports,
            )
        except Exception:
            if attempt == _TRIES - 1:
                raise
    return None


def tell(folder: Path, name: str, port: int) -> None:
    """Say which port the agent has, as it will do itself: the raylet gives up after 15 seconds."""
    session = folder / "session_latest"
    while not session.exists():
        time.sleep(0.05)
    (session / name).write_text(str(port))


def free_ports() -> dict[str, int]:
    """Choose ports that are free now."""
    with contextlib.ExitStack() as held:
        listeners = [held.enter_context(socket.create_server(("", 0))) for _ in _PORTS]
        return {
            name: listener.getsockname()[1]
            for name, listener in zip(_PORTS, listeners, strict=True)
        }


if __name__ == "__main__":
    main()
