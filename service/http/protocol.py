"""uvicorn's HTTP protocol, bounded: the head of a request in bytes, lines and seconds.

httptools itself has no limits: header lines without end would fill the memory, and a head that
never ends would hold its connection for ever.
"""

import asyncio
import re
import resource
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any, ClassVar

import httptools
from fastapi import Response
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.http.endpoint import CANCEL, REFUSED, TURN_AWAY
from service.http.problems import problem, problem_of
from service.http.request_id import answered_at_once

# Browsers with many cookies send some 8 KiB; servers take 8 to 64 KiB in all.
MAX_HEAD_BYTES = 64 * 1024
MAX_HEADERS = 100
# Many clients send all of a body before they read: so far they get the answer why it was refused.
_MAX_DROPPED_BYTES = 128 * 2**20
# Some files stay open beside the connections: the log, the model, the repository's folders.
_OTHER_FILES = 64
MAX_CONNECTIONS = min(10_000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _OTHER_FILES)

_FIRST_PAUSE_S, _MAX_PAUSE_S = 0.1, 1.0
# Data that waited while we did not read arrive within this of our reading again.
_AT_ONCE_S = 0.02
_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_UPGRADE = re.compile(rb"\r\nupgrade:[^\r\n]*", re.IGNORECASE)
_HEAD_END = b"\r\n\r\n"
# Around a header's value they are not of it (RFC 9110, 5.5); httptools leaves those behind it.
_BLANKS = b" \t"


class BoundedProtocol(HttpToolsProtocol):
    """Bounds what a connection may cost before its request reaches the application.

    A caller who hangs up has its request cancelled: the application leaves a function of no
    arguments in the scope's extensions for it. `on_end`, if set, is told that the connection ended.
    """

    head_timeout_s: ClassVar[float] = 10.0
    # When the process is to end, for what was sent before its caller could know.
    last_request_s: ClassVar[float] = 0.5
    max_connections: ClassVar[int] = MAX_CONNECTIONS

    on_end: Callable[[], None] | None = None
    _pause_s = 0.0
    _resumed_at = 0.0
    _arrived_at = 0.0
    _is_in_body = False
    _is_skipped = False
    _is_ending = False
    _is_last = False
    _head_bytes = 0
    _dropped_bytes = 0
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
        if self.on_end is not None:
            self.on_end()
        cycle = self.cycle
        super().connection_lost(exc)
        if cycle is not None and not cycle.response_complete:
            extensions: dict[str, Any] = cycle.scope.get("extensions") or {}
            cancel = extensions.get(CANCEL)
            if cancel is not None:
                cancel()

    def eof_received(self) -> None:
        """Answer 400 if the client stops in the middle of a body; otherwise it has hung up.

        A client that closes only its sending side looks the same.
        """
        if self._is_in_body and not self._is_skipped:
            detail = "the connection was closed for writing before the body was whole"
            self._refuse(HTTPStatus.BAD_REQUEST, "incomplete-body", detail)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, within the limits of a head."""
        if self.transport.is_closing() or self._is_ending:
            return
        if not self._is_in_body:
            self._head_bytes += len(data)
            data = _without_upgrade(data)
        super().data_received(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            detail = f"the head has over {MAX_HEAD_BYTES} bytes; send fewer or shorter headers"
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "head-too-large", detail)
        elif self._head_bytes and self._head_timer is None and not self._is_in_hand():
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
        self.headers[:] = [(n, v.strip(_BLANKS)) for n, v in self.headers]  # the scope's list, too
        self._head_bytes = self._dropped_bytes = 0
        self._is_in_body = True
        if self._pause_s:
            self._arrived_at = self.loop.time()
        self._is_skipped = self._turn_away()
        if self._is_skipped:
            return
        super().on_headers_complete()
        if self._is_last:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body, unless the request is refused: then drop it, up to a limit."""
        if not self._is_in_body:
            return
        if not self._is_answered():
            super().on_body(body)
            return
        self._dropped_bytes += len(body)
        if self._dropped_bytes > _MAX_DROPPED_BYTES:
            self.transport.close()

    def on_message_complete(self) -> None:
        """End the request's body."""
        if not self._is_in_body:
            return
        self._is_in_body = False
        if self._is_answered():
            self._stop_head_timer()
            self._start_keep_alive_timer()  # what came of the body has stopped it
        else:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on to the next request; where this one was turned away, not at once."""
        is_refused = REFUSED in (self.cycle.scope.get("extensions") or {})
        if self._is_ending and not self.pipeline:
            self.transport.close()
        super().on_response_complete()
        if not self._is_in_hand() and (self._is_in_body or self._head_bytes):
            # Nobody reads the rest of the body, so nobody else would give it up; or the next head
            # began to come before the answer.
            self._start_head_timer()
        if not is_refused:
            self._pause_s = 0.0
        elif not self.transport.is_closing():
            self._pause()

    def shutdown(self) -> None:
        """Close after the request in hand, or after one that comes within a moment."""
        self._is_last = True
        if self._is_in_hand():
            super().shutdown()
        else:
            self.loop.call_later(self.last_request_s, self._close_without_request)

    def _close_without_request(self) -> None:
        if not self._is_in_hand():
            self.transport.close()

    def _turn_away(self) -> bool:
        """Refuse a request before a task is made for it, where the application says so.

        It costs 0.03 ms; through the application, task and body it would be 0.1 ms.
        """
        turn_away = self.app_state.get(TURN_AWAY)
        is_first = self.cycle is None or self.cycle.response_complete
        if turn_away is None or not is_first or not _is_predict(self.parser, self.url):
            return False
        error = turn_away()
        if error is None:
            return False
        keep_alive = self.parser.should_keep_alive() and not self._is_last
        self._write(partial(problem_of, error), keep_alive=keep_alive)
        if keep_alive:
            self._start_keep_alive_timer()
            self._pause()
            # Nobody reads the body that may still come, so nobody else would give it up.
            self._start_head_timer()
        return True

    def _is_in_hand(self) -> bool:
        """Tell whether a request that came is not answered yet."""
        return self.cycle is not None and not self.cycle.response_complete

    def _is_answered(self) -> bool:
        """Tell whether the request in hand is answered, though its body may still come."""
        return self._is_skipped or self.cycle.response_complete

    def _start_keep_alive_timer(self) -> None:
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def _pause(self) -> None:
        """Read nothing for a moment from a caller who was turned away.

        A thousand callers who retry without a pause would have the service do nothing but refuse.
        A caller who pauses by itself is not held up; for one who does not, the pause doubles.
        """
        comes_at_once = self._pause_s and self._arrived_at - self._resumed_at < _AT_ONCE_S
        self._pause_s = min(2 * self._pause_s, _MAX_PAUSE_S) if comes_at_once else _FIRST_PAUSE_S
        self.flow.pause_reading()
        self.loop.call_later(self._pause_s, self._resume)

    def _resume(self) -> None:
        self._resumed_at = self.loop.time()
        if not self.transport.is_closing():
            self.flow.resume_reading()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP as a problem, like every other error."""
        self._refuse(HTTPStatus.BAD_REQUEST, "malformed-request", msg)

    def _refuse(self, status: HTTPStatus, kind: str, detail: str) -> None:
        """Answer without the application, and close.

        Where a request before is still in hand, or the answer has begun, callers would take this
        for another answer than it is: then nothing is written, and what is in hand is answered.
        """
        if self.transport.is_closing() or self._is_ending:
            return
        if self.pipeline or (self._is_in_hand() and not self._is_in_body):
            self._end_after_answers()
        elif self._is_in_body and (self._is_skipped or self.cycle.response_started):
            self.transport.close()
        else:
            self._write(partial(problem, status, kind, detail), keep_alive=False)

    def _end_after_answers(self) -> None:
        """Read nothing more; close once what came before is answered."""
        self._is_ending = True
        self.flow.pause_reading()
        if self._is_in_body:
            self.pipeline.popleft()  # the last that came: its body is no body
        else:
            self.cycle.keep_alive = False

    def _write(self, make: Callable[[], Response], *, keep_alive: bool) -> None:
        """Write an answer past the application."""
        response = answered_at_once(self.headers or (), make)
        lines = [f"HTTP/1.1 {response.status_code} {_PHRASES[response.status_code]}".encode()]
        if not keep_alive:
            lines.append(b"connection: close")
        lines += [name + b": " + value for name, value in response.raw_headers]
        self.transport.write(b"\r\n".join([*lines, b"", bytes(response.body)]))
        if not keep_alive:
            self.transport.close()

    def _start_head_timer(self) -> None:
        self._stop_head_timer()
        self._head_timer = self.loop.call_later(self.head_timeout_s, self._head_is_late)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        detail = f"the head of the request did not come within {self.head_timeout_s:g} s"
        self._refuse(HTTPStatus.REQUEST_TIMEOUT, "head-timeout", detail)


def _is_predict(parser: httptools.HttpRequestParser, url: bytes) -> bool:
    return parser.get_method() == b"POST" and url.partition(b"?")[0] == b"/predict"


def _without_upgrade(data: bytes) -> bytes:
    """Ignore a wish for another protocol, as a server may; the parser would drop the body."""
    if b"pgrade" not in data and b"PGRADE" not in data:
        return data
    head, end, body = data.partition(_HEAD_END)
    return _UPGRADE.sub(b"", head) + end + body
