"""The service as its users run it: a process, real clients, real signals."""

import base64
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import onnxruntime
import pytest

from benchmarks.evenness import until_all_serve
from model.artifact.repository import BUNDLED_REPOSITORY, ModelRepository
from model.artifact.version import VersionId
from tests.e2e.server import running
from tests.pictures import coloured, encoded
from tests.service.models import filled_repository
from tests.trained import SmallModel

PICTURE = encoded(coloured("red", 1))


@pytest.fixture
def repository(small_models: list[SmallModel], tmp_path: Path) -> Path:
    """Fill a repository."""
    return filled_repository(tmp_path, small_models).root


def test_the_bundled_model_answers_on_its_own() -> None:
    """Without a repository named, the service serves what it came with."""
    with running(BUNDLED_REPOSITORY) as server:
        answer = httpx.post(f"{server.url}/predict?explain=true", content=PICTURE).json()

    assert answer["model"]["name"] == "cifar10"
    best = answer["predictions"][0]["classes"][0]
    parts = [layer["contribution"] for layer in best["layers"]]
    assert abs(sum(parts) - best["goodness"]) <= 1e-5 * sum(map(abs, parts))


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_status_0(
    repository: Path, number: signal.Signals, workers: str
) -> None:
    """Orderly shutdown is no failure."""
    with running(repository, "--workers", workers) as server:
        assert httpx.post(f"{server.url}/predict", content=PICTURE).status_code == 200
        assert server.stop(number) == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_sigterm_answers_what_is_in_flight(repository: Path, workers: str) -> None:
    """A request whose body is still coming when SIGTERM arrives gets its answer."""
    with running(repository, "--workers", workers) as server:
        begun, go_on = threading.Event(), threading.Event()
        statuses: list[int] = []

        def slow_body() -> Iterator[bytes]:
            yield PICTURE[:100]
            begun.set()
            assert go_on.wait(60)
            yield PICTURE[100:]

        def send() -> None:
            statuses.append(httpx.post(f"{server.url}/predict", content=slow_body()).status_code)

        sender = threading.Thread(target=send)
        sender.start()
        assert begun.wait(60)
        server.process.send_signal(signal.SIGTERM)
        refused_within(server.url, seconds=60)
        go_on.set()
        sender.join()
        server.process.communicate(timeout=60)

    assert statuses == [200]
    assert server.process.returncode == 0


def refused_within(url: str, seconds: float) -> None:
    """Wait until new connections are refused."""
    host, port = httpx.URL(url).host, httpx.URL(url).port
    assert port is not None
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            socket.create_connection((host, port), timeout=1).close()
        except ConnectionRefusedError:
            return
        except ConnectionResetError:  # it waited in the kernel's queue when the socket was closed
            pass
        time.sleep(0.02)
    raise AssertionError


def test_clients_that_break_off_harm_nobody(repository: Path) -> None:
    """Half a request, then silence, fifty times; the next caller is answered."""
    with running(repository) as server:
        url = httpx.URL(server.url)
        for _ in range(50):
            with socket.create_connection((url.host, url.port)) as connection:
                connection.sendall(
                    b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 999\r\n\r\nab"
                )

        assert httpx.post(f"{server.url}/predict", content=PICTURE).status_code == 200
        assert server.stop() == 0

    assert "Traceback" not in server.said


def test_two_workers_serve_and_count_together(repository: Path) -> None:
    """Each worker has its own session; /metrics adds them up; SIGTERM ends all with 0."""
    with running(repository, "--workers", "2") as server:
        url = f"{server.url}/predict"
        until_all_serve(server.process.pid, httpx.URL(server.url).port or 0)
        statuses = {httpx.post(url, content=PICTURE).status_code for _ in range(40)}
        metrics = httpx.get(f"{server.url}/metrics").text
        assert server.stop() == 0

    assert statuses == {200}
    assert server.said.count("INFO goodserve: serving colours/1") == 2
    assert 'goodserve_requests_total{outcome="ok"} 40.0' in metrics


def test_a_worker_that_dies_leaves_no_gauge_behind(repository: Path) -> None:
    """After a kill -9 and a swap only the new version counts as active."""
    with running(repository, "--workers", "2") as server:
        until_all_serve(server.process.pid, httpx.URL(server.url).port or 0)
        os.kill(workers_of(server.process.pid)[0], signal.SIGKILL)
        ModelRepository(repository).activate(VersionId("colours", "2"))
        deadline = time.monotonic() + 120
        while (active := active_versions(server.url)) != {"2"}:
            assert time.monotonic() < deadline, active
            time.sleep(0.2)
        assert server.stop() == 0


def command_of(pid: str) -> bytes:
    """Read a process' command line; nothing of one that has just ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def workers_of(process: int) -> list[int]:
    """List the processes that a supervisor has spawned to serve."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    commands = {int(pid): command_of(pid) for pid in children}
    return [pid for pid, command in commands.items() if b"spawn_main" in command]


def active_versions(url: str) -> set[str]:
    """Ask /metrics which versions count as active; a dying worker may break the connection."""
    try:
        metrics = httpx.get(f"{url}/metrics", timeout=5).text
    except httpx.TransportError:
        return set()
    found = re.findall(r'goodserve_active_version{name="colours",version="(\d)"} 1.0', metrics)
    return set(found)


@pytest.mark.parametrize("device", ["cuda"])
def test_cuda_where_there_is_none_is_an_error_at_start(repository: Path, device: str) -> None:
    """Status 2 and one clear line; nothing is served from the CPU instead."""
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has CUDA")
    command = [sys.executable, "-m", "service", "serve", "--device", device, "--port", "0"]

    found = subprocess.run(
        [*command, "--repository", str(repository)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert found.returncode == 2
    assert found.stderr.startswith("goodserve: device cuda was asked for, but")


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
def test_curl_works_as_the_readme_says(repository: Path, tmp_path: Path) -> None:
    """The three ways to send, by curl itself."""
    picture = tmp_path / "cat.png"
    picture.write_bytes(PICTURE)
    body = tmp_path / "body.json"
    body.write_text(f'{{"images": ["{base64.b64encode(PICTURE).decode()}"]}}')
    ways = [
        ["--form", f"image=@{picture}"],
        ["--data-binary", f"@{picture}"],
        ["--header", "content-type: application/json", "--data", f"@{body}"],
    ]

    with running(repository) as server:
        answers = [
            subprocess.run(
                ["curl", "--silent", "--fail", *way, f"{server.url}/predict"],
                capture_output=True,
                check=True,
            ).stdout
            for way in ways
        ]

    assert answers[0] == answers[1] == answers[2]
    assert b'"label":"red"' in answers[0]
