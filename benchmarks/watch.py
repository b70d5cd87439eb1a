"""A process that watches a server from aside: its health ten times a second, and its memory.

It is a process of its own because the crowd keeps its own event loop busy: measured there, a
healthy server would seem slow.
"""

import http.client
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event

from benchmarks.servers import HOST
from benchmarks.usage import memory_bytes

_EVERY_S = 0.1
_TIMEOUT_S = 10
_START_S = 30
_LOOKS_PER_MEMORY = 5  # reading it walks the page tables


@dataclass(frozen=True)
class Look:
    """One look at the server.

    Attributes:
        at_s: when, by `time.monotonic()`.
        latency_s: of `/health/live`; None where the answer was no 200, or none came in time.
        memory_bytes: of the whole server; None where it was not read this time.
    """

    at_s: float
    latency_s: float | None
    memory_bytes: int | None


@dataclass
class Watch:
    """What was seen; filled when the watching has ended."""

    looks: list[Look] = field(default_factory=list)

    def between(self, began_s: float, ended_s: float) -> list[Look]:
        """Take the looks of a span of time, by `time.monotonic()`."""
        return [look for look in self.looks if began_s <= look.at_s < ended_s]


@contextmanager
def watching(port: int, pid: int | None, at_most_s: float) -> Iterator[Watch]:
    """Watch a server for as long as the block lasts.

    Args:
        port: where it listens, on 127.0.0.1.
        pid: of its first process; None leaves memory out.
        at_most_s: when the watching ends by itself.
    """
    context = multiprocessing.get_context("spawn")
    stop, (ours, theirs) = context.Event(), context.Pipe(duplex=False)
    watcher = context.Process(target=_look_on, args=(port, pid, at_most_s, stop, theirs))
    watcher.start()
    watch = Watch()
    try:
        if ours.poll(_START_S):
            ours.recv()  # it has begun
        yield watch
        stop.set()
        if ours.poll(2 * _TIMEOUT_S):
            watch.looks = ours.recv()
    finally:
        watcher.kill()
        watcher.join()


def _look_on(port: int, pid: int | None, at_most_s: float, stop: Event, end: Connection) -> None:
    """Look at regular times until told to stop, then hand over what was seen."""
    end.send(None)
    looks: list[Look] = []
    connection = http.client.HTTPConnection(HOST, port, timeout=_TIMEOUT_S)
    began = time.monotonic()
    while time.monotonic() - began < at_most_s and not stop.wait(_EVERY_S):
        read_memory = pid is not None and len(looks) % _LOOKS_PER_MEMORY == 0
        at = time.monotonic()
        latency = _health_s(connection, at)
        looks.append(Look(at, latency, memory_bytes(pid) if read_memory and pid else None))
    connection.close()
    end.send(looks)


def _health_s(connection: http.client.HTTPConnection, began: float) -> float | None:
    try:
        connection.request("GET", "/health/live")
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        connection.close()  # the next request opens it again
        return None
    return time.monotonic() - began if answer.status == http.HTTPStatus.OK else None
