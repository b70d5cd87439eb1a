"""gRPC of a service in processes of its own, as `goodserve serve` starts it."""

import subprocess
import sys
import time

import psutil
import pytest

from benchmarks.servers import free_port
from model.artifact.repository import BUNDLED_REPOSITORY
from service.__main__ import main
from tests.e2e.server import running
from tests.service.grpc.test_tritonclient import PIXELS, grpc, pixel_input


def listening(supervisor: int, port: int) -> set[int]:
    """Name the processes of a service that listen on a port."""
    workers = psutil.Process(supervisor).children(recursive=True)
    return {worker.pid for worker in workers if listens(worker, port)}


def listens(process: psutil.Process, port: int) -> bool:
    """Tell whether a process listens on a port; one that has just ended does not."""
    try:
        found = process.net_connections("tcp")
    except psutil.NoSuchProcess:
        return False
    return any(c.status == psutil.CONN_LISTEN and c.laddr.port == port for c in found)


def test_several_processes_listen_on_one_port() -> None:
    """Each of them does, calls over many connections are answered, and the end is in order."""
    port = free_port()
    with running(BUNDLED_REPOSITORY, "--workers", "2", "--grpc-port", str(port)) as server:
        deadline = time.monotonic() + 120
        while len(listening(server.process.pid, port)) < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
        found = listening(server.process.pid, port)
        labels = set()
        for number in range(8):
            # Channels of unlike options share no connection.
            options = [("goodserve.test", number)]
            with grpc.InferenceServerClient(f"127.0.0.1:{port}", channel_args=options) as client:
                labels.add(tuple(client.infer("cifar10", [pixel_input()]).as_numpy("labels")))
        status = server.stop()

    assert len(found) == 2
    assert len(labels) == 1
    assert len(labels.pop()) == len(PIXELS)
    assert status == 0


def test_a_port_that_is_taken_is_said() -> None:
    """At the start, and not by answering half of the calls."""
    port = free_port()
    flags = ["--workers", "1", "--grpc-port", str(port)]
    with running(BUNDLED_REPOSITORY, *flags):
        second = subprocess.run(
            [sys.executable, "-m", "service", "serve", "--port", "0", *flags],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert second.returncode != 0
    assert f"127.0.0.1:{port}" in second.stderr


def test_without_grpcio_the_setting_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what to install."""
    monkeypatch.setitem(sys.modules, "grpc", None)

    assert main(["serve", "--grpc-port", "9"]) == 2
    assert "pip install 'goodserve[grpc]'" in capsys.readouterr().err
