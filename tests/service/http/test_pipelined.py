"""What comes behind a request that is in hand takes nothing from its answer."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.http.protocol import MAX_HEAD_BYTES, MAX_HEADERS
from tests.pictures import coloured, encoded
from tests.service.fakes import FakeSession, Gate, fake_repository
from tests.service.http.test_protocol import HEAD, Impatient, all_of, connected
from tests.service.models import fake_app_on, served

FILE = encoded(coloured("red", 0))
REQUEST = HEAD + b"content-length: %d\r\n\r\n" % len(FILE) + FILE


@contextmanager
def in_hand(root: Path) -> Iterator[tuple[socket.socket, socket.socket, Gate]]:
    """Give a connection whose request runs until the gate lets it, and a silent one."""
    fake_repository(root)
    session, gate = FakeSession(), Gate()
    with served(fake_app_on(root, session=session, lane_workers=1), Impatient) as client:
        session.run = gate
        with connected(client) as first:
            first.sendall(REQUEST)
            gate.wait_until_entered()
            with connected(client) as silent:
                yield first, silent, gate


def statuses(answers: bytes) -> list[int]:
    """Read the statuses of all answers."""
    return [int(part[:3]) for part in answers.split(b"HTTP/1.1 ")[1:]]


def test_the_next_head_is_late_only_after_the_answer(tmp_path: Path) -> None:
    """Its time begins when the request before it is answered."""
    with in_hand(tmp_path) as (first, silent, gate):
        first.sendall(b"G")
        assert statuses(all_of(silent)) == [408]  # so long as a head may take, at the least
        gate.let()

        assert statuses(all_of(first)) == [200, 408]


@pytest.mark.parametrize(
    "behind",
    [
        b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
        HEAD + b"x: 1\r\n" * (MAX_HEADERS + 1),
        HEAD + b"x: " + b"a" * MAX_HEAD_BYTES,
        HEAD + b"transfer-encoding: chunked\r\n\r\nno chunk\r\n",
    ],
    ids=["no-http", "lines", "bytes", "body"],
)
def test_what_is_refused_behind_a_request_ends_the_connection_after_its_answer(
    tmp_path: Path, behind: bytes
) -> None:
    """Nothing is written that would count as the answer; nor is anything behind it."""
    with in_hand(tmp_path) as (first, silent, gate):
        first.sendall(behind)
        all_of(silent)
        gate.let()
        answers = all_of(first)

    assert statuses(answers) == [200]
    assert b'"label":"red"' in answers


def test_sound_requests_behind_one_are_answered_in_turn(tmp_path: Path) -> None:
    """However slowly the last one comes."""
    with in_hand(tmp_path) as (first, silent, gate):
        first.sendall(REQUEST + REQUEST[:-9])
        gate.let(3)
        all_of(silent)
        first.sendall(REQUEST[-9:] + b"no http\r\n\r\n")
        answers = all_of(first)

    assert statuses(answers) == [200, 200, 200]
