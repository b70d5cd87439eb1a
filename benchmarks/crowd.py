"""A crowd of callers on asyncio: each sends one request after the other, and heeds no refusal.

The answers are parsed by httptools, in C: where client and server share a machine, whatever the
client takes is missing from what is measured.
"""

import asyncio
import itertools
import random
import time
from collections.abc import Callable, Iterator
from typing import cast

import httptools

from benchmarks.forms import Message
from benchmarks.servers import HOST
from benchmarks.tally import Tally

_RECONNECT_S = 0.05


class Crowd:
    """Keeps a number of connections busy; the number may change at any time."""

    def __init__(self, port: int, requests: list[bytes]) -> None:
        """Take whole requests, which take turns, for a server at `port` on 127.0.0.1."""
        self.tally = Tally()
        self._port = port
        self._requests = itertools.cycle(requests)
        self._gap_s = 0.0
        self._places: list[asyncio.Task[None]] = []

    def resize(self, size: int, rate: float = 0) -> None:
        """Open connections up to `size`, or hang up those beyond, in the middle of whatever.

        Args:
            size: connections from now on.
            rate: requests that all of them offer together in a second on average, as far as
                answers come in time; they come by chance, since callers who keep step with each
                other meet again for ever once one batch has answered them together. 0 for no
                pause between an answer and the next request.
        """
        self._gap_s = size / rate if rate else 0
        for place in self._places[size:]:
            place.cancel()
        missing = range(size - len(self._places))
        self._places = self._places[:size]
        self._places += [asyncio.create_task(self._keep()) for _ in missing]

    async def stay(self, size: int, seconds: float, rate: float = 0) -> tuple[float, float]:
        """Be of a size for some time; give its begin and end by `time.monotonic()`."""
        began = time.monotonic()
        self.resize(size, rate)
        await asyncio.sleep(seconds)
        return began, time.monotonic()

    async def leave(self) -> None:
        """Hang up all connections, and see them gone."""
        places = self._places
        self.resize(0)
        await asyncio.gather(*places, return_exceptions=True)

    def _gap(self) -> float:
        """Draw the seconds from one request of a connection to its next."""
        return random.expovariate(1 / self._gap_s) if self._gap_s else 0.0

    async def _keep(self) -> None:
        """Hold one connection, and open another one when it ends."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._gap())
        while True:
            began = time.monotonic()
            try:
                _, caller = await loop.create_connection(
                    lambda: Caller(self.tally, self._requests, self._gap),
                    HOST,
                    self._port,
                )
            except OSError:
                self.tally.add_broken(began)
                await asyncio.sleep(_RECONNECT_S)
                continue
            try:
                await caller.ended.wait()
            finally:
                caller.hang_up()


class Caller(asyncio.Protocol):
    """One connection: writes a request, waits for the whole answer, and writes the next."""

    def __init__(self, tally: Tally, requests: Iterator[bytes], gap_s: Callable[[], float]) -> None:
        """Take the next of `requests` each time; `gap_s()` seconds lie between two at least."""
        self.ended = asyncio.Event()
        self._tally = tally
        self._requests = requests
        self._gap_s = gap_s
        self._began_s: float | None = None  # of the request that waits for its answer
        self._later: asyncio.TimerHandle | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by class
        self._send()

    def data_received(self, data: bytes) -> None:
        """Parse what came; what is no HTTP ends the connection, which counts as broken."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._abort()

    def on_message_complete(self) -> None:
        """Count an answer; httptools calls this."""
        if self._began_s is None:
            return
        began_s, self._began_s = self._began_s, None
        self._tally.add(self._parser.get_status_code(), began_s)
        if not self._parser.should_keep_alive():
            self._abort()
        elif (wait_s := began_s + self._gap_s() - time.monotonic()) > 0:
            self._later = asyncio.get_running_loop().call_later(wait_s, self._send)
        else:
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        """Count a request that stays without an answer."""
        if self._began_s is not None:
            self._tally.add_broken(self._began_s)
        self.ended.set()

    def hang_up(self) -> None:
        """End the connection without counting what was under way."""
        self._began_s = None
        self._abort()

    def _send(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._began_s = time.monotonic()
            self._transport.write(next(self._requests))

    def _abort(self) -> None:
        if self._later is not None:
            self._later.cancel()
        if self._transport is not None:
            self._transport.abort()


def requests(sent: Message, headers: str = "") -> list[bytes]:
    """Write whole requests; `headers` are further lines, each with its line break."""
    head = f"POST {sent.path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: {sent.content_type}\r\n"
    return [
        f"{head}{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body
        for body in sent.bodies
    ]
