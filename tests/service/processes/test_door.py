"""The one place where several processes' connections come in."""

import socket
from typing import cast

import pytest

from service.processes.door import Door, bound_socket
from service.processes.process import ServerProcess


@pytest.mark.anyio
async def test_a_closed_door_stays_closed() -> None:
    """A process that becomes ready while all are told to end does not open it again."""
    listener = bound_socket("127.0.0.1", 0)
    door = Door(listener, [])
    door.open()
    port = listener.getsockname()[1]

    door.close()
    door.open()

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


@pytest.mark.anyio
async def test_who_waits_when_the_door_closes_is_let_in() -> None:
    """A connection that the kernel had accepted before the end is handed out, not reset."""
    taker = _Taker()
    listener = bound_socket("127.0.0.1", 0)
    door = Door(listener, cast("list[ServerProcess]", [taker]))
    door.open()
    with socket.create_connection(listener.getsockname(), timeout=5) as waiting:
        door.close()

        assert taker.given == [waiting.getsockname()]


class _Taker:
    """A process that takes every connection, without being one."""

    connections = 0

    def __init__(self) -> None:
        self.given: list[object] = []

    def can_take(self) -> bool:
        return True

    def give(self, connection: socket.socket) -> bool:
        self.given.append(connection.getpeername())
        connection.close()
        return True


@pytest.mark.anyio
async def test_what_comes_back_after_the_end_is_hung_up() -> None:
    """A connection that no process took is closed, not kept for ever."""
    ours, theirs = socket.socketpair()
    door = Door(bound_socket("127.0.0.1", 0), [])
    door.open()
    door.close()

    door.take_back([ours])

    theirs.settimeout(5)
    assert theirs.recv(1) == b""
    theirs.close()
