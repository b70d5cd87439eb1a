"""Callers who come by chance and wait for nobody: an open load, as a fleet of strangers makes it.

A latency counts from when the request was due, also if no connection was free: a slow server
must not slow down those who measure it.
"""

import asyncio
import time
from collections import deque
from typing import cast

import httptools
import numpy as np

from benchmarks.servers import HOST

_CONNECTIONS = 64


class Line(asyncio.Protocol):
    """One connection: one request at a time."""

    def __init__(self, free: "asyncio.Queue[Line]") -> None:
        """Go back to the free ones after each answer."""
        self._free = free
        self._parser = httptools.HttpResponseParser(self)
        self._done: asyncio.Future[int] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be free."""
        self._transport = cast("asyncio.Transport", transport)
        self._free.put_nowait(self)

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        """Give the status; httptools calls this."""
        if self._done is not None and not self._done.done():
            self._done.set_result(self._parser.get_status_code())
        self._free.put_nowait(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits that there will be no answer."""
        if self._done is not None and not self._done.done():
            self._done.set_exception(exc or ConnectionError("closed"))

    @property
    def is_gone(self) -> bool:
        """Whether the server has hung up, as it does with those that ask nothing for seconds."""
        return self._transport is None or self._transport.is_closing()

    async def ask(self, request: bytes) -> int:
        """Send a request; give the status of its answer."""
        assert self._transport is not None  # noqa: S101  it was free, so it is there
        self._done = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._done

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.abort()


async def open_load(port: int, requests: list[bytes], rate: float, seconds: float) -> list[float]:
    """Ask at Poisson times; give the latencies in seconds.

    Raises:
        RuntimeError: an answer was no 200.
    """
    free = asyncio.LifoQueue[Line]()
    for _ in range(_CONNECTIONS):
        await _open(free, port)
    found, asking = list[float](), set[asyncio.Task[None]]()
    generator = np.random.default_rng(0)
    due_in = deque(np.cumsum(generator.exponential(1 / rate, int(rate * seconds))).tolist())
    began, turn = time.monotonic(), 0

    async def answered(request: bytes) -> int:
        while (line := await free.get()).is_gone:
            await _open(free, port)
        try:
            return await line.ask(request)
        except ConnectionError:  # the server hung up meanwhile, since nothing had come for seconds
            await _open(free, port)
            return await answered(request)

    async def ask(due: float, request: bytes) -> None:
        status = await answered(request)
        if status != 200:  # noqa: PLR2004
            reason = f"an answer was {status}"
            raise RuntimeError(reason)
        found.append(time.monotonic() - due)

    while due_in:
        due = began + due_in.popleft()
        if (wait_s := due - time.monotonic()) > 0:
            await asyncio.sleep(wait_s)
        asking.add(asyncio.create_task(ask(due, requests[turn % len(requests)])))
        turn += 1
    await asyncio.gather(*asking)
    while not free.empty():
        free.get_nowait().close()
    return found


async def one_by_one(port: int, requests: list[bytes], count: int) -> list[float]:
    """Ask on one connection without a pause, while nobody else does; give latencies in seconds."""
    free = asyncio.Queue[Line]()
    await _open(free, port)
    found = list[float]()
    for turn in range(count):
        line = await free.get()
        began = time.monotonic()
        await line.ask(requests[turn % len(requests)])
        found.append(time.monotonic() - began)
    (await free.get()).close()
    return found


async def _open(free: "asyncio.Queue[Line]", port: int) -> None:
    """Open a connection, which then is free."""
    await asyncio.get_running_loop().create_connection(lambda: Line(free), HOST, port)
