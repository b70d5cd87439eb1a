"""uvicorn's HTTP protocol, bounded: the head of a request in bytes, lines and seconds.

httptools itself has no limits: header lines without end would fill the memory, and a head that
never ends would hold its connection for ever.
"""

import asyncio
import re
import resource
from http import HTTPStatus
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.http.predict import CANCEL
from service.http.problems import problem

# Browsers with many cookies send some 8 KiB; servers take 8 to 64 KiB in all.
MAX_HEAD_BYTES = 64 * 1024
MAX_HEADERS = 100
# Some files stay open beside the connections: the log, the model, the repository's folders.
_OTHER_FILES = 64
MAX_CONNECTIONS = min(10_000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _OTHER_FILES)

_UPGRADE = re.compile(rb"\r\nupgrade:[^\r\n]*", re.IGNORECASE)
_HEAD_END = b"\r\n\r\n"


class BoundedProtocol(HttpToolsProtocol):
    """Bounds what a connection may cost before its request reaches the application.

    A caller who hangs up has its request cancelled: the application leaves a function of no
    arguments in the scope's extensions for it.
    """

    head_timeout_s: ClassVar[float] = 10.0
    max_connections: ClassVar[int] = MAX_CONNECTIONS

    _is_in_body = False
    _head_bytes = 0
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, unless there are too many; its first head must come in time."""
        super().connection_made(transport)
        if len(self.connections) > self.max_connections:
            detail = f"{self.max_connections} connections are open, which is the limit"
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "too-many-connections", detail)
            return
        self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the request in hand: nobody would read its answer."""
        self._stop_head_timer()
        cycle = self.cycle
        super().connection_lost(exc)
        if cycle is not None and not cycle.response_complete:
            extensions: dict[str, Any] = cycle.scope.get("extensions") or {}
            cancel = extensions.get(CANCEL)
            if cancel is not None:
                cancel()

    def eof_received(self) -> None:
        """Tell a caller who stops in the middle of a body; else take it that it hangs up.

        A caller who hangs up and one who only says that nothing more will come look alike.
        """
        if self._is_in_body:
            detail = "the connection was closed for writing before the body was whole"
            self._refuse(HTTPStatus.BAD_REQUEST, "incomplete-body", detail)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, within the limits of a head."""
        if self.transport.is_closing():
            return
        if not self._is_in_body:
            self._head_bytes += len(data)
            data = _without_upgrade(data)
        super().data_received(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            detail = f"the head has over {MAX_HEAD_BYTES} bytes; send fewer or shorter headers"
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "head-too-large", detail)
        elif self._head_bytes and self._head_timer is None:
            self._start_head_timer()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header, unless there are too many."""
        super().on_header(name, value)
        if len(self.headers) == MAX_HEADERS + 1:
            detail = f"the head has over {MAX_HEADERS} lines; send fewer headers"
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "head-too-large", detail)

    def on_headers_complete(self) -> None:
        """Start the request, unless its head was refused."""
        self._stop_head_timer()
        is_too_long = sum(len(n) + len(v) for n, v in self.headers) > MAX_HEAD_BYTES
        if is_too_long or self.transport.is_closing():
            self._head_bytes = MAX_HEAD_BYTES + 1
            return
        self._head_bytes = 0
        self._is_in_body = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body, unless its head was refused."""
        if self._is_in_body:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request's body."""
        if self._is_in_body:
            self._is_in_body = False
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP as a problem, like every other error."""
        self._refuse(HTTPStatus.BAD_REQUEST, "malformed-request", msg)

    def _refuse(self, status: HTTPStatus, kind: str, detail: str) -> None:
        """Answer without the application, and close."""
        if self.transport.is_closing():
            return
        response = problem(status, kind, detail)
        lines = [f"HTTP/1.1 {status.value} {status.phrase}".encode(), b"connection: close"]
        lines += [name + b": " + value for name, value in response.raw_headers]
        self.transport.write(b"\r\n".join([*lines, b"", bytes(response.body)]))
        self.transport.close()

    def _start_head_timer(self) -> None:
        self._head_timer = self.loop.call_later(self.head_timeout_s, self._head_is_late)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        detail = f"the head of the request did not come within {self.head_timeout_s:g} s"
        self._refuse(HTTPStatus.REQUEST_TIMEOUT, "head-timeout", detail)


def _without_upgrade(data: bytes) -> bytes:
    """Ignore a wish for another protocol, as a server may; the parser would drop the body."""
    if b"pgrade" not in data and b"PGRADE" not in data:
        return data
    head, end, body = data.partition(_HEAD_END)
    return _UPGRADE.sub(b"", head) + end + body
