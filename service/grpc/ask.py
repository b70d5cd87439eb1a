"""Asks the application in this process, as a server would that read a request from a socket.

So a call passes whatever stands before the REST side, such as admission, limits, deadlines, metrics
and keys, and there is no second way in.
"""

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Scope


class Reply(NamedTuple):
    """What the application answered.

    Attributes:
        status: of HTTP.
        headers: by their lower-case names.
        body: whole.
    """

    status: int
    headers: dict[str, str]
    body: bytes


class GoneError(Exception):
    """The application gave no answer: it was told that nobody waits for one."""


class Asked(NamedTuple):
    """One request.

    Attributes:
        method: of HTTP.
        path: of the REST side.
        body: whole.
        headers: but for the body's length.
        client: address and port of the caller, if they are known.
    """

    method: str
    path: str
    body: bytes = b""
    headers: Sequence[tuple[bytes, bytes]] = ()
    client: tuple[str, int] | None = None


async def ask(app: ASGIApp, asked: Asked) -> Reply:
    """Send one request and read its answer whole.

    Raises:
        GoneError: there was none.
    """
    started: Message = {}
    pieces: list[bytes] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": asked.body, "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            started.update(message)
        else:
            pieces.append(message.get("body", b""))

    await app(_scope(asked), receive, send)
    if not started:
        raise GoneError
    named = {name.decode().lower(): value.decode("latin-1") for name, value in started["headers"]}
    return Reply(started["status"], named, b"".join(pieces))


def _scope(asked: Asked) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "2",
        "method": asked.method,
        "scheme": "http",
        "path": asked.path,
        "raw_path": quote(asked.path).encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [*asked.headers, (b"content-length", str(len(asked.body)).encode())],
        "client": asked.client,
        "server": None,
    }
