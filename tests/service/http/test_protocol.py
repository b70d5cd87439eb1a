"""The head of a request is bounded in bytes, lines and seconds; connections in number."""

import json
import select
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.http.protocol import MAX_HEAD_BYTES, MAX_HEADERS, BoundedProtocol
from tests.pictures import coloured, encoded
from tests.service.fakes import FakeSession, Gate, fake_repository
from tests.service.models import fake_app_on, served

FILE = encoded(coloured("red", 0))
HEAD = b"POST /predict HTTP/1.1\r\nhost: x\r\n"


class Impatient(BoundedProtocol):
    """Waits a fifth of a second for a head, and takes eight connections."""

    head_timeout_s = 0.2
    max_connections = 8


class Few(BoundedProtocol):
    """Takes eight connections."""

    max_connections = 8


@pytest.fixture
def client(tmp_path: Path) -> Iterator[httpx.Client]:
    """Serve a fake session."""
    fake_repository(tmp_path)
    with served(fake_app_on(tmp_path)) as client:
        yield client


@pytest.fixture
def impatient(tmp_path: Path) -> Iterator[httpx.Client]:
    """Serve a fake session by an impatient protocol."""
    fake_repository(tmp_path)
    with served(fake_app_on(tmp_path), Impatient) as client:
        yield client


def connected(client: httpx.Client) -> socket.socket:
    """Open a connection of one's own."""
    url = client.base_url
    return socket.create_connection((url.host, url.port or 80), timeout=60)


def all_of(connection: socket.socket) -> bytes:
    """Read until the other side closes."""
    parts = []
    try:
        while part := connection.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass  # it closed while we were still sending
    return b"".join(parts)


def json_of(connection: socket.socket) -> bytes:
    """Read an answer to the end of its JSON: head and body may come one after the other."""
    answer = b""
    while not answer.endswith(b"}") and (more := connection.recv(65536)):
        answer += more
    return answer


def assert_refused(answer: bytes, status: int, kind: str) -> None:
    """Hold an answer against a problem that closes its connection."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), answer
    assert b"connection: close" in head
    problem = json.loads(body)
    assert problem["type"] == f"urn:goodserve:problem:{kind}"
    assert b"x-request-id: " + problem["request_id"].encode() in head.split(b"\r\n")


def test_a_flood_of_headers_is_cut_off(client: httpx.Client) -> None:
    """Of 300 MB of header lines only the first kilobytes are read."""
    sent = 0
    with connected(client) as connection:
        connection.sendall(HEAD)
        try:
            while sent < 300_000_000:
                sent += connection.send(b"x-flood: " + b"a" * 65_000 + b"\r\n")
        except OSError:
            pass
        answer = all_of(connection)

    assert sent < 20_000_000
    assert not answer or answer.startswith(b"HTTP/1.1 431")
    assert client.post("/predict", content=FILE).status_code == 200


@pytest.mark.parametrize(
    "lines",
    [
        b"x: 1\r\n" * (MAX_HEADERS + 1),
        b"x: " + b"a" * MAX_HEAD_BYTES + b"\r\n",
        b"x: " + b"a" * 40_000 + b"\r\ny: " + b"b" * 40_000 + b"\r\n",
    ],
)
def test_a_head_that_is_too_large_is_told_so(client: httpx.Client, lines: bytes) -> None:
    """Too many lines, one that is too long, or too many bytes together: 431."""
    with connected(client) as connection:
        connection.sendall(HEAD + lines + b"content-length: 3\r\n\r\nabc")

        assert_refused(all_of(connection), 431, "head-too-large")


@pytest.mark.parametrize("start", [b"", b"POST", HEAD, HEAD + b"content-le"])
def test_a_head_that_does_not_come_is_given_up(impatient: httpx.Client, start: bytes) -> None:
    """Silent or half-sent, a connection is closed with a reason after its time."""
    with connected(impatient) as connection:
        connection.sendall(start)

        answer = all_of(connection)

    assert_refused(answer, 408, "head-timeout")
    assert b"did not come within 0.2 s" in answer


def test_a_head_that_trickles_in_is_given_up(impatient: httpx.Client) -> None:
    """Each byte does not buy more time."""
    head, sent = HEAD + b"x: " + b"a" * 300, 0
    with connected(impatient) as connection:
        for byte in head:
            sent += connection.send(bytes([byte]))
            if select.select([connection], [], [], 0.02)[0]:
                break
        answer = all_of(connection)

    assert_refused(answer, 408, "head-timeout")
    assert sent < len(head)


def test_connections_are_bounded_in_number(tmp_path: Path) -> None:
    """One too many is told so at once; when others go, there is room again."""
    fake_repository(tmp_path)
    with served(fake_app_on(tmp_path), Few) as client:
        open_ones = [connected(client) for _ in range(Few.max_connections)]
        with connected(client) as beyond:
            answer = all_of(beyond)
        for connection in open_ones:
            connection.close()
        deadline, status = time.monotonic() + 60, 503
        while status == 503 and time.monotonic() < deadline:
            status = httpx.post(f"{client.base_url}/predict", content=FILE).status_code

    assert_refused(answer, 503, "too-many-connections")
    assert status == 200


def test_a_wish_for_http_2_is_ignored(client: httpx.Client) -> None:
    """What `curl --http2` sends: the body is read all the same."""
    headers = {"connection": "Upgrade, HTTP2-Settings", "upgrade": "h2c", "http2-settings": "AAMA"}

    answer = client.post("/predict", content=FILE, headers=headers)

    assert (answer.status_code, answer.json()["predictions"][0]["label"]) == (200, "red")


def test_what_is_no_http_is_a_problem(client: httpx.Client) -> None:
    """Not plain text: every error has one format."""
    with connected(client) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01\r\n\r\n")

        assert_refused(all_of(connection), 400, "malformed-request")


@pytest.mark.parametrize(
    ("line", "kind"),
    [(b"no header", "malformed-request"), (b"x: " + b"a" * MAX_HEAD_BYTES, "head-too-large")],
)
def test_the_caller_s_number_comes_back_from_a_bad_head(
    client: httpx.Client, line: bytes, kind: str
) -> None:
    """As far as it was read before the fault; the next request has its own."""
    with connected(client) as connection:
        connection.sendall(HEAD + b"x-request-id: seven\r\ny: 1\r\n" + line + b"\r\n\r\n")
        answer = all_of(connection)

    assert_refused(answer, 431 if kind == "head-too-large" else 400, kind)
    assert b"x-request-id: seven\r\n" in answer
    assert client.get("/nothing").json()["request_id"] != "seven"


def test_a_body_shorter_than_declared_is_answered(client: httpx.Client) -> None:
    """The caller has closed its side: it is told what is missing."""
    with connected(client) as connection:
        connection.sendall(HEAD + b"content-length: 99999\r\n\r\n" + FILE)
        connection.shutdown(socket.SHUT_WR)

        assert_refused(all_of(connection), 400, "incomplete-body")


def test_a_caller_who_hangs_up_frees_its_place(tmp_path: Path) -> None:
    """Waiting in the queue it is dropped before it costs a run."""
    fake_repository(tmp_path)
    gate = Gate()
    session = FakeSession()
    request = HEAD + b"content-length: %d\r\n\r\n" % len(FILE) + FILE

    with served(fake_app_on(tmp_path, session=session, lane_workers=1)) as client:
        session.run = gate
        with connected(client) as first:
            first.sendall(request)
            gate.wait_until_entered()
            runs = len(session.batches)
            with connected(client) as gone:
                gone.sendall(request)
                until_metric(client, "goodserve_queue_depth 2.0")
            until_metric(client, "goodserve_queue_depth 1.0")
            until_metric(client, 'goodserve_requests_total{outcome="disconnected"} 1.0')
            gate.let(2)
            assert first.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert len(session.batches) == runs


def test_a_body_that_nobody_reads_is_given_up(tmp_path: Path) -> None:
    """Turned away by its head alone, a caller may not hold its connection with half a body."""
    fake_repository(tmp_path)
    gate = Gate()
    session = FakeSession()
    request = HEAD + b"content-length: %d\r\n\r\n" % len(FILE)

    app = fake_app_on(tmp_path, session=session, max_waiting_images=32, lane_workers=1)
    with served(app, Impatient) as client:
        session.run = gate
        with connected(client) as first:
            files = [("image", ("a.png", FILE))] * 32
            body = httpx.Request("POST", client.base_url, files=files)
            kind, content = body.headers["content-type"].encode(), body.read()
            lines = b"content-type: %b\r\ncontent-length: %d\r\n\r\n" % (kind, len(content))
            first.sendall(HEAD + lines + content)
            gate.wait_until_entered()
            with connected(client) as second:
                second.sendall(request + FILE[:10])
                answer = all_of(second)
            gate.let(2)
            assert first.recv(65536).startswith(b"HTTP/1.1 200 ")

    assert answer.startswith(b"HTTP/1.1 429 ")
    assert b"queue-full" in answer
    assert b"x-request-id: " in answer


def until_metric(client: httpx.Client, line: str) -> None:
    """Wait until /metrics has this line."""
    deadline = time.monotonic() + 60
    while line not in client.get("/metrics").text:
        assert time.monotonic() < deadline, line
        time.sleep(0.01)
