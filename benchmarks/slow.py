"""Clients that take their time: silent ones, half a body, a header that comes byte by byte."""

import asyncio
import itertools
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, cast

from benchmarks.crowd import requests
from benchmarks.forms import Message
from benchmarks.servers import HOST

SlowKind = Literal["idle", "half-body", "trickle"]
SLOW_KINDS: tuple[SlowKind, ...] = ("idle", "half-body", "trickle")

_WAVE = 200  # connections opened at once: more would overflow the listening queue
_TRICKLE_S = 1.0


@dataclass(frozen=True)
class Outcome:
    """What became of the slow clients of one kind.

    Attributes:
        kind: what they did.
        wanted: how many were to be opened.
        refused: how many could not be.
        still_open: how many the server still held at the end.
        statuses: answers they got, by status.
    """

    kind: SlowKind
    wanted: int
    refused: int
    still_open: int
    statuses: dict[int, int]


class SlowCrowd:
    """Holds slow connections of one kind open until it leaves."""

    def __init__(self, port: int, sent: Message, kind: SlowKind, size: int) -> None:
        """Prepare `size` connections to `port` on 127.0.0.1; `sent` is what they begin."""
        self._port, self._kind, self._size = port, kind, size
        self._first, self._rest = _parts(requests(sent)[0], kind)
        self._clients: list[_SlowClient] = []
        self._trickle: asyncio.Task[None] | None = None

    async def come(self) -> None:
        """Open all connections, some at a time."""
        loop = asyncio.get_running_loop()
        for number in range(0, self._size, _WAVE):
            wave = [
                loop.create_connection(lambda: _SlowClient(self._first), HOST, self._port)
                for _ in range(min(_WAVE, self._size - number))
            ]
            opened = await asyncio.gather(*wave, return_exceptions=True)
            self._clients += [c[1] for c in opened if not isinstance(c, BaseException)]
        if self._rest:
            self._trickle = asyncio.create_task(self._drip())

    @property
    def still_open(self) -> int:
        """Count the connections that nobody has ended."""
        return sum(client.is_open for client in self._clients)

    def leave(self) -> Outcome:
        """Hang up all, and tell what became of them."""
        if self._trickle is not None:
            self._trickle.cancel()
        outcome = Outcome(
            kind=self._kind,
            wanted=self._size,
            refused=self._size - len(self._clients),
            still_open=self.still_open,
            statuses=dict(Counter(c.status for c in self._clients if c.status is not None)),
        )
        for client in self._clients:
            client.hang_up()
        return outcome

    async def _drip(self) -> None:
        """Send one byte a second on every connection; a header line that never ends."""
        for letter in itertools.cycle(self._rest):
            await asyncio.sleep(_TRICKLE_S)
            for client in self._clients:
                client.send(bytes([letter]))


class _SlowClient(asyncio.Protocol):
    def __init__(self, first: bytes) -> None:
        self.status: int | None = None
        self._first = first
        self._transport: asyncio.Transport | None = None

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.send(self._first)

    def data_received(self, data: bytes) -> None:
        """Read the status of the first answer."""
        if self.status is None:
            with suppress(IndexError, ValueError):
                self.status = int(data.split(maxsplit=2)[1])

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        self._transport = None

    def send(self, data: bytes) -> None:
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def hang_up(self) -> None:
        if self._transport is not None:
            self._transport.abort()


def _parts(request: bytes, kind: SlowKind) -> tuple[bytes, bytes]:
    """Split a request into what is sent at once and what is sent byte by byte for ever."""
    head, body = request.split(b"\r\n\r\n", 1)
    match kind:
        case "idle":
            return b"", b""
        case "half-body":
            return head + b"\r\n\r\n" + body[: len(body) // 2], b""
        case "trickle":
            return head.split(b"\r\n", 1)[0] + b"\r\n", b"X-Slow: and steady\r\n"
