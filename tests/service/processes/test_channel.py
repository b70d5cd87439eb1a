"""What a process says to its supervisor, and what it hears."""

import asyncio
import socket

import pytest

from service.processes.channel import Channel

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("reads", [True, False])
async def test_the_supervisor_s_end_is_noticed(reads: bool) -> None:  # noqa: FBT001
    """Whether or not it had read what was said: if not, the system reports a reset, no end."""
    ours, theirs = socket.socketpair()
    channel, ended = Channel(theirs), asyncio.Event()
    channel.open(lambda _connection: None, ended.set)
    if reads:
        assert ours.recv(100)

    ours.close()

    async with asyncio.timeout(60):
        await ended.wait()
    channel.close(lambda _connection: None)
    theirs.close()
