"""The one place where several processes' connections come in."""

import select
import socket
from contextlib import ExitStack
from typing import ClassVar, cast

import pytest

from service.processes.door import Door, bound_socket
from service.processes.process import ServerProcess

_PATIENCE_S = 60
# More than are handed out between two looks at what processes have said.
_MANY = 200


class Patient(Door):
    """Waits at the end for as long as a test may take."""

    closing_s: ClassVar[float] = _PATIENCE_S


@pytest.mark.anyio
async def test_a_closed_door_stays_closed() -> None:
    """A process that becomes ready while all are told to end does not open it again."""
    listener = bound_socket("127.0.0.1", 0)
    door = Door(listener, [])
    door.open()
    port = listener.getsockname()[1]

    await door.close()
    door.open()

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_S)


@pytest.mark.anyio
async def test_who_waits_when_the_door_closes_is_let_in() -> None:
    """A connection that the kernel had accepted before the end is handed out, not reset."""
    taker = _Taker()
    listener = bound_socket("127.0.0.1", 0)
    door = Patient(listener, cast("list[ServerProcess]", [taker]))
    door.open()
    with ExitStack() as stack:
        waiting = [_connected(stack, listener) for _ in range(_MANY)]
        await door.close()

        assert taker.given == [each.getsockname() for each in waiting]


@pytest.mark.anyio
async def test_who_waits_while_all_are_full_is_let_in() -> None:
    """A door that is shut for a moment when the end comes waits until there is room."""
    taker = _Taker(full_times=3)
    listener = bound_socket("127.0.0.1", 0)
    door = Patient(listener, cast("list[ServerProcess]", [taker]))
    door.open()
    with ExitStack() as stack:
        waiting = _connected(stack, listener)
        await door.close()

        assert taker.given == [waiting.getsockname()]


@pytest.mark.anyio
async def test_who_waits_when_no_process_is_left_is_hung_up() -> None:
    """The end is held up by nobody who cannot be served."""
    gone = _Taker()
    listener = bound_socket("127.0.0.1", 0)
    door = Patient(listener, cast("list[ServerProcess]", [gone]))
    door.open()
    gone.is_ready = False
    with ExitStack() as stack:
        waiting = _connected(stack, listener)
        await door.close()

        assert waiting.recv(1) == b""
    assert gone.given == []


def _connected(stack: ExitStack, listener: socket.socket) -> socket.socket:
    """Open a connection, which waits in the kernel's queue."""
    address = listener.getsockname()
    caller = stack.enter_context(socket.create_connection(address, timeout=_PATIENCE_S))
    # The caller's side may be there a moment before ours.
    assert select.select([listener], [], [], _PATIENCE_S)[0]
    return caller


class _Taker:
    """A process that takes every connection, without being one; at first it may have no room."""

    connections = 0

    def __init__(self, full_times: int = 0) -> None:
        self.given: list[object] = []
        self.is_ready = True
        self._full_times = full_times

    def can_take(self) -> bool:
        self._full_times -= 1
        return self.is_ready and self._full_times < 0

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
    await door.close()

    door.take_back([ours])

    theirs.settimeout(_PATIENCE_S)
    assert theirs.recv(1) == b""
    theirs.close()
