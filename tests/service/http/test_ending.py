"""A process that is to end answers what was sent before its caller could know."""

import socket
import threading
import time
from pathlib import Path
from typing import ClassVar

import pytest

from service.http.protocol import BoundedProtocol
from tests.pictures import coloured, encoded
from tests.service.fakes import fake_repository
from tests.service.http.test_protocol import all_of, json_of
from tests.service.models import fake_app_on, server_of

FILE = encoded(coloured("red", 0))
ALIVE = b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n"
PREDICT = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(FILE) + FILE
WAIT_S = 30


class Told(BoundedProtocol):
    """Says when it was made and when it was told to end; has longer than a test may take."""

    last_request_s: ClassVar[float] = 10 * WAIT_S
    made: ClassVar = threading.Semaphore(0)
    told: ClassVar = threading.Semaphore(0)

    def connection_made(self, transport: object) -> None:
        """Say so."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self.made.release()

    def shutdown(self) -> None:
        """Say so."""
        super().shutdown()
        self.told.release()


class Hasty(Told):
    """Has a moment."""

    last_request_s = 0.2


def connected(port: int) -> socket.socket:
    """Open a connection of which the server knows."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)
    assert Told.made.acquire(timeout=WAIT_S)
    return connection


@pytest.mark.parametrize("request_", [ALIVE, PREDICT], ids=["health", "predict"])
@pytest.mark.parametrize("before", [b"", ALIVE, PREDICT[:20], PREDICT[:-20]])
def test_a_last_request_is_answered(tmp_path: Path, request_: bytes, before: bytes) -> None:
    """Of a caller who has asked nothing yet, or was answered; its connection ends with it."""
    fake_repository(tmp_path)
    with (
        server_of(fake_app_on(tmp_path), Told) as (server, port),
        connected(port) as connection,
    ):
        if before == ALIVE:
            connection.sendall(before)
            assert b" 200 " in json_of(connection)
        elif before:
            connection.sendall(before)
            time.sleep(0.05)  # either way the answer is the same
            request_ = PREDICT[len(before) :]
        server.should_exit = True
        assert Told.told.acquire(timeout=WAIT_S)
        connection.sendall(request_)
        answer = all_of(connection)

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"connection: close" in answer


def test_a_silent_connection_holds_up_nothing(tmp_path: Path) -> None:
    """It is closed after a moment, whether or not half a head has come."""
    fake_repository(tmp_path)
    with (
        server_of(fake_app_on(tmp_path), Hasty) as (server, port),
        connected(port) as silent,
        connected(port) as halved,
    ):
        halved.sendall(PREDICT[:20])
        server.should_exit = True
        for _ in range(2):
            assert Told.told.acquire(timeout=WAIT_S)

        assert all_of(silent) == b""
        assert all_of(halved) == b""
