"""From the messages of an ASGI server to a body's bytes: bounded in size and in time."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from service.errors import BadRequestError, BodyTimeoutError, TooLargeError
from service.predict.admission import Take

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


@dataclass(frozen=True)
class BodyLimits:
    """What one body may measure."""

    max_request_bytes: int
    max_images: int
    read_timeout_s: float


async def read_body(
    receive: Receive,
    declared_bytes: int | None,
    limits: BodyLimits,
    take: Take,
    *,
    required: bool = True,
) -> bytes:
    """Read a body whole.

    Args:
        receive: gives the server's messages; nothing of the body is read yet.
        declared_bytes: the Content-Length, if there is one.
        limits: of this body alone.
        take: hears of every byte that is kept, and may refuse.
        required: whether there must be one.

    Raises:
        ClientError: too many bytes, none at all, too slow, or cut off.
        BusyError: all bodies together hold too many bytes.
    """
    if declared_bytes is not None and declared_bytes > limits.max_request_bytes:
        raise _too_large(declared_bytes, limits.max_request_bytes)
    try:
        # One timer for the whole body: with one for each chunk a trickle would never end.
        async with asyncio.timeout(limits.read_timeout_s):
            data = await _read(receive, limits.max_request_bytes, take)
    except TimeoutError as error:
        detail = f"the body did not come within {limits.read_timeout_s:g} s"
        raise BodyTimeoutError("body-timeout", detail) from error
    if not data and required:
        raise BadRequestError("empty-body", "the body is empty: send an image")
    return data


async def _read(receive: Receive, limit: int, take: Take) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            detail = "the connection closed before the body was whole"
            raise BadRequestError("incomplete-body", detail)
        chunk: bytes = message.get("body", b"")
        take(len(chunk))  # before it is kept: it raises where all bodies hold too much
        size += len(chunk)
        if size > limit:
            raise _too_large(size, limit)
        chunks.append(chunk)
        if not message.get("more_body", False):
            # The usual body comes in one piece, and is not copied.
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _too_large(found: int, limit: int) -> TooLargeError:
    detail = (
        f"the body has {found} bytes or more, the limit is {limit}; send fewer or smaller images"
    )
    return TooLargeError("body-too-large", detail)
