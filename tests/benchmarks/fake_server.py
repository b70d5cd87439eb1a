"""A server that answers with the statuses it is told, one after the other."""

import asyncio
import itertools
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
CLOSING = 413  # answered with `Connection: close`


@asynccontextmanager
async def answering(statuses: Iterable[int]) -> AsyncIterator[int]:
    """Listen for as long as the block lasts; gives the port. Status 0 hangs up instead."""
    turn = itertools.cycle(statuses)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await _answer(reader, writer, next(turn)):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has hung up
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, status: int) -> bool:
    """Read one request and answer it; say whether the connection stays."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    await reader.readexactly(int(length[1]) if length else 0)
    if status == 0:
        return False
    closing = "Connection: close\r\n" if status == CLOSING else ""
    writer.write(f"HTTP/1.1 {status} Said\r\n{closing}Content-Length: 2\r\n\r\nok".encode())
    await writer.drain()
    return status != CLOSING
