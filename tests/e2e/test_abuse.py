"""Callers who ask too much of a real process: it says no, stays small, and serves the others."""

import io
import resource
import socket
import statistics
import struct
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import psutil
import pytest
from PIL import Image

from service.http.protocol import MAX_CONNECTIONS
from tests.e2e.server import Server, running
from tests.e2e.test_processes import tiny_repository
from tests.pictures import coloured, encoded

PICTURE = encoded(coloured("red", 1))
HEAD = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: image/png\r\n"
MB = 2**20
_OWN_FILES = 500


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Run one process on a model of a few nodes."""
    with running(tiny_repository(tmp_path), "--workers", "1") as server:
        assert httpx.post(f"{server.url}/predict", content=PICTURE).status_code == 200
        yield server


def connected(server: Server) -> socket.socket:
    """Open a connection."""
    url = httpx.URL(server.url)
    return socket.create_connection((url.host, url.port), timeout=60)


def problem_on(connection: socket.socket) -> bytes:
    """Read an answer to the end of its JSON: head and body may come one after the other."""
    answer = b""
    while not answer.endswith(b"}") and (more := connection.recv(65536)):
        answer += more
    return answer


def memory_mb(server: Server) -> float:
    """Say what the process holds."""
    return float(psutil.Process(server.process.pid).memory_info().rss) / MB


def health_s(server: Server, looks: int) -> list[float]:
    """Ask for its health some times, on one connection; give how long each took."""
    with httpx.Client(base_url=server.url, timeout=20) as client:
        client.get("/health/live").raise_for_status()
        answers = [client.get("/health/live") for _ in range(looks)]
    return [answer.elapsed.total_seconds() for answer in answers]


def usual_health_s(server: Server) -> float:
    """Say how long its health takes as a rule, whatever else the machine does meanwhile."""
    return statistics.median(health_s(server, 20))


@contextmanager
def many_files(count: int) -> Iterator[None]:
    """Allow this process so many open files, or skip the test."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        pytest.skip(f"the hard limit of open files is {hard}; the test needs {count}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_ten_thousand_idle_connections_disturb_nobody(server: Server) -> None:
    """Callers beside them are answered as ever; beyond the limit the answer is a clear 503."""
    idle = 10_000 - 50
    with many_files(idle + _OWN_FILES), ExitStack() as stack:
        assert MAX_CONNECTIONS <= 10_000
        before_mb, before_s = memory_mb(server), usual_health_s(server)
        for _ in range(idle):
            stack.enter_context(connected(server))

        assert usual_health_s(server) < 5 * before_s + 0.05
        assert httpx.post(f"{server.url}/predict", content=PICTURE).status_code == 200
        beyond = [stack.enter_context(connected(server)) for _ in range(100)]
        answer = problem_on(beyond[-1])

        assert memory_mb(server) - before_mb < 300
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"too-many-connections" in answer
    until_answered(server)


def until_answered(server: Server) -> None:
    """Wait until there is room again."""
    deadline = time.monotonic() + 60
    while httpx.post(f"{server.url}/predict", content=PICTURE).status_code != 200:
        assert time.monotonic() < deadline


def test_a_body_of_100_mb_is_refused_by_its_head(server: Server) -> None:
    """Nothing of it is waited for."""
    before_mb = memory_mb(server)
    with connected(server) as connection:
        connection.sendall(HEAD + b"content-length: %d\r\n\r\n" % (100 * MB))
        answer = problem_on(connection)

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"body-too-large" in answer
    assert memory_mb(server) - before_mb < 20


def test_a_body_without_length_is_read_up_to_the_limit(server: Server) -> None:
    """Without an end it is refused where it passes 32 MiB, and cut off some time after that."""
    before_mb, sent = memory_mb(server), 0
    chunk = b"100000\r\n" + b"x" * MB + b"\r\n"
    with connected(server) as connection:
        connection.sendall(HEAD + b"transfer-encoding: chunked\r\n\r\n")
        try:
            while sent < 400:
                connection.sendall(chunk)
                sent += 1
        except OSError:
            pass
        try:
            answer = connection.recv(65536)
        except ConnectionResetError:  # it came before we read the answer
            answer = b""

    assert 32 <= sent < 200
    assert not answer or answer.startswith(b"HTTP/1.1 413 ")
    assert memory_mb(server) - before_mb < 100
    until_answered(server)


def test_a_small_body_without_length_is_answered(server: Server) -> None:
    """Chunked is a way to send like any other."""
    halves = iter((PICTURE[:50], PICTURE[50:]))

    assert httpx.post(f"{server.url}/predict", content=halves).status_code == 200


def text_bomb() -> bytes:
    """Write a PNG with a text of 200 MB that takes 200 kB."""
    body = b"note\0\0" + zlib.compress(b"a" * 200_000_000, 9)
    chunk = b"zTXt" + body
    bomb = struct.pack(">I", len(body)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    header_end = 8 + 25
    return PICTURE[:header_end] + bomb + PICTURE[header_end:]


def test_a_text_that_unpacks_to_200_mb_is_not_unpacked(server: Server) -> None:
    """The bomb beside the picture costs no memory, whatever the answer to the picture."""
    before_mb = memory_mb(server)

    status = httpx.post(f"{server.url}/predict", content=text_bomb(), timeout=20).status_code

    assert status in (200, 400)
    assert memory_mb(server) - before_mb < 50


def large_png() -> bytes:
    """Write a picture of 50 megapixels, all red: some 150 kB."""
    stream = io.BytesIO()
    Image.new("RGB", (8000, 6250), "red").save(stream, "PNG", compress_level=9)
    return stream.getvalue()


def test_a_dozen_pictures_of_50_megapixels_are_decoded_by_and_by(server: Server) -> None:
    """Two at a time, beside the event loop: health and small pictures are answered meanwhile."""
    picture, before_mb = large_png(), memory_mb(server)
    url = f"{server.url}/predict"

    with ThreadPoolExecutor(12) as pool:
        sent = [pool.submit(httpx.post, url, content=picture, timeout=100) for _ in range(12)]
        most_mb, slowest_s = before_mb, 0.0
        small: list[int] = []
        while not all(future.done() for future in sent):
            most_mb = max(most_mb, memory_mb(server))
            slowest_s = max(slowest_s, *health_s(server, 2))
            small.append(httpx.post(url, content=PICTURE, timeout=20).status_code)
        statuses = [future.result().status_code for future in sent]

    assert set(statuses) <= {200, 429}
    assert statuses.count(200) >= 2
    assert small.count(200) > len(small) / 2
    assert slowest_s < 2  # the loop would stand still for as long as it decoded one of them
    assert most_mb - before_mb < 1000
