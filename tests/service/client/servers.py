"""Servers that answer as a service does under load, or do not answer at all."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from service.http.body import Receive
from service.http.endpoint import Scope, Send

Reply = tuple[int, dict[str, str], bytes]  # status, headers, body

PROBLEM = b'{"type": "urn:goodserve:problem:queue-full", "title": "Queue full", "status": 429, '
PROBLEM += b'"detail": "the wait is 3 s now, the limit is 2 s", "request_id": "seven"}'
ANSWER = b'{"model": {"name": "m", "version": "1"}, "predictions": [{"label": "red", '
ANSWER += b'"probability": 0.5, "classes": [], "not_known_yet": 1}]}'


class Scripted:
    """An ASGI application that gives the answers it is told to, one after the other."""

    def __init__(self, *answers: Reply) -> None:
        """Give these, and the last one ever after."""
        self._answers = answers
        self.seen: list[dict[str, str]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await _lifespan(receive, send)
            return
        while (await receive()).get("more_body", False):
            pass
        self.seen.append({name.decode(): value.decode() for name, value in scope["headers"]})
        status, headers, body = self._answers[min(len(self.seen), len(self._answers)) - 1]
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": body})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message: Any = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


@contextmanager
def hanging_up(times: int) -> Iterator[tuple[str, list[bytes]]]:
    """Close so many connections without an answer, then answer; give the URL and what came."""
    listener = socket.create_server(("127.0.0.1", 0))
    came: list[bytes] = []

    def work() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                came.append(connection.recv(65536))
                if len(came) > times:
                    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(ANSWER)}\r\n"
                    connection.sendall(head.encode() + b"Connection: close\r\n\r\n" + ANSWER)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", came
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
