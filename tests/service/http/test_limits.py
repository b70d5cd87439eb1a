"""What is let in: requests, bytes and seconds; and what is said where nothing serves."""

import socket
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import httpx

from tests.pictures import coloured, encoded
from tests.service.fakes import FakeSession, Gate, fake_repository
from tests.service.http.test_protocol import all_of
from tests.service.models import fake_app_on, served

FILES = [encoded(coloured("red", 0))]


def test_without_a_model_the_service_lives_but_is_not_ready(tmp_path: Path) -> None:
    """An empty repository is no crash: 503 says what to do, and liveness is 200."""
    with served(fake_app_on(tmp_path)) as client:
        predicted, ready = client.post("/predict", content=FILES[0]), client.get("/health/ready")
        live = client.get("/health/live")

    assert (predicted.status_code, ready.status_code, live.status_code) == (503, 503, 200)
    assert predicted.headers["retry-after"] == "1"
    assert "no model is loaded; publish one" in predicted.json()["detail"]
    assert ready.json() == {"status": "not ready"}


def test_too_many_requests_are_turned_away(tmp_path: Path) -> None:
    """Beyond the limit of requests in flight a caller gets 429, and others are served."""
    fake_repository(tmp_path)
    statuses: list[int] = []

    with served(fake_app_on(tmp_path, max_concurrent_requests=1)) as client:

        def work() -> None:
            statuses.extend(
                client.post("/predict", content=FILES[0]).status_code for _ in range(25)
            )

        threads = [threading.Thread(target=work) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert set(statuses) == {200, 429}


def test_a_body_that_does_not_come_is_given_up(tmp_path: Path) -> None:
    """A caller who stops in the middle of a body is told so, and its place is free again."""
    fake_repository(tmp_path)

    with served(fake_app_on(tmp_path, read_timeout_s=0.5, max_concurrent_requests=1)) as client:
        url = client.base_url
        head = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 999\r\n\r\n"
        with socket.create_connection((url.host, url.port or 80), timeout=60) as connection:
            connection.sendall(head + FILES[0][:10])
            answer = all_of(connection)
        assert client.post("/predict", content=FILES[0]).status_code == 200

    assert answer.startswith(b"HTTP/1.1 408")
    assert b"connection: close" in answer
    assert b"the body did not come within 0.5 s" in answer


def test_bodies_together_may_hold_so_many_bytes(tmp_path: Path) -> None:
    """While one large body waits for its end, another gets 429; then there is room again."""
    fake_repository(tmp_path)
    app = fake_app_on(
        tmp_path, max_request_bytes=30_000, max_bytes_in_flight=30_000, read_timeout_s=25
    )

    with served(app) as client:
        url = client.base_url
        head = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 30000\r\n\r\n"
        with socket.create_connection((url.host, url.port or 80), timeout=60) as connection:
            connection.sendall(head + b"x" * 29_999)
            until_status(client, 429)
            connection.sendall(b"x")
            assert connection.recv(4096).startswith(b"HTTP/1.1 400")
        until_status(client, 200)


def until_status(client: httpx.Client, status: int) -> None:
    """Send until the answer has this status."""
    deadline = time.monotonic() + 60
    while client.post("/predict", content=FILES[0]).status_code != status:
        assert time.monotonic() < deadline


def test_a_queue_that_is_full_in_seconds_refuses_at_once(tmp_path: Path) -> None:
    """The wait is estimated from the pace of the last batches; Retry-After says when to come."""
    fake_repository(tmp_path)
    session = FakeSession(lambda _pixels: time.sleep(1))
    app = fake_app_on(tmp_path, session=session, max_wait_s=1.5, lane_workers=1, max_batch_size=1)

    with served(app) as client:
        client.post("/predict", content=FILES[0])
        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(lambda _: client.post("/predict", content=FILES[0]), range(6)))

    refused = [answer for answer in answers if answer.status_code == 429]
    assert {answer.status_code for answer in answers} == {200, 429}
    assert all(answer.json()["type"] == "urn:goodserve:problem:queue-full" for answer in refused)
    assert {answer.headers["retry-after"] for answer in refused} <= set("123456")
    taken = [answer for answer in answers if answer.status_code == 200]
    # Nobody who is refused waits for those who are not.
    assert max(a.elapsed for a in refused) < max(a.elapsed for a in taken)


def test_a_deadline_that_cannot_be_met_is_refused(tmp_path: Path) -> None:
    """Before it costs a run: at once where the wait is known, else when its turn comes."""
    fake_repository(tmp_path)
    gate = Gate()
    session = FakeSession()
    app = fake_app_on(tmp_path, session=session, lane_workers=1)

    with served(app) as client, ThreadPoolExecutor(1) as pool:
        session.run, before = gate, len(session.batches)
        first = pool.submit(client.post, "/predict", content=FILES[0])
        gate.wait_until_entered()
        late = pool_post(client, timeout_ms=1)
        time.sleep(0.05)
        gate.let()
        statuses = first.result().status_code, late.result().status_code
        session.run = lambda _pixels: None
        bad = client.post("/predict", content=FILES[0], headers={"x-request-timeout-ms": "soon"})
        fine = client.post("/predict", content=FILES[0], headers={"x-request-timeout-ms": "9000"})

    assert statuses == (200, 504)
    assert late.result().json()["type"] == "urn:goodserve:problem:deadline-passed"
    assert (bad.status_code, fine.status_code) == (422, 200)
    assert len(session.batches) == before + 2


def pool_post(client: httpx.Client, timeout_ms: int) -> "Future[httpx.Response]":
    """Send one picture with a deadline, in a thread of its own, and see it reach the queue."""
    pool = ThreadPoolExecutor(1)
    headers = {"x-request-timeout-ms": str(timeout_ms)}
    future = pool.submit(client.post, "/predict", content=FILES[0], headers=headers)
    deadline = time.monotonic() + 60
    while "goodserve_queue_depth 2.0" not in client.get("/metrics").text:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return future
