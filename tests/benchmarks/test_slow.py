"""Slow clients stay, and tell what became of them."""

import asyncio

import pytest

from benchmarks.forms import Message
from benchmarks.slow import SLOW_KINDS, SlowCrowd, SlowKind
from tests.benchmarks.fake_server import answering

pytestmark = pytest.mark.anyio

SENT = Message("/predict", "image/png", (b"a body",))


@pytest.mark.parametrize("kind", SLOW_KINDS)
async def test_a_patient_server_holds_them(kind: SlowKind) -> None:
    """A server without time limits keeps all of them open, and answers none."""
    async with answering([200]) as port:
        crowd = SlowCrowd(port, SENT, kind, 3)
        await crowd.come()
        await asyncio.sleep(0.05)
        outcome = crowd.leave()

    assert (outcome.still_open, outcome.refused, outcome.statuses) == (3, 0, {})


async def test_an_answer_and_a_hang_up_are_noticed() -> None:
    """A server that gives up on half a body may say so first."""

    async def give_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(give_up, "127.0.0.1", 0) as server:
        crowd = SlowCrowd(server.sockets[0].getsockname()[1], SENT, "half-body", 2)
        await crowd.come()
        async with asyncio.timeout(20):
            while crowd.still_open:  # noqa: ASYNC110  connections end one by one
                await asyncio.sleep(0.01)
        outcome = crowd.leave()

    assert (outcome.still_open, outcome.statuses) == (0, {408: 2})


async def test_those_who_cannot_connect_are_counted() -> None:
    """A server that is gone refuses all."""
    async with answering([200]) as port:
        pass
    crowd = SlowCrowd(port, SENT, "idle", 2)

    await crowd.come()

    assert crowd.leave().refused == 2
