"""Accepts connections, and hands each one to the process that holds the fewest.

Processes that all accept from one socket share it badly: whoever wakes first takes all that wait.
Of 8 connections at once one of two processes often got none (`benchmarks/evenness.py`). One place
that accepts and knows every count is exact, as in Envoy's exact balance, without a lock among
processes. It costs some 50 us a connection, and nothing a request.
"""

import asyncio
import logging
import socket
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import ClassVar

from service.processes.process import ServerProcess

log = logging.getLogger("goodserve")

# Between so many connections the supervisor hears which ones have ended.
_AT_ONCE = 32
_BACKLOG = 2048
_FULL_PAUSE_S, _ERROR_PAUSE_S = 0.005, 0.5


class ListenError(Exception):
    """The address cannot be listened on; the message says which and why."""


def bound_socket(host: str, port: int) -> socket.socket:
    """Bind a socket without listening: nobody can serve yet, so callers shall be refused.

    Raises:
        ListenError: the address is taken, or not ours.
    """
    try:
        return _bound(host, port)
    except OSError as error:
        raise _refused(host, port, error) from error


def _refused(host: str, port: int, error: OSError) -> ListenError:
    return ListenError(f"cannot listen on {host}, port {port}: {error.strerror}; choose another")


def _bound(host: str, port: int) -> socket.socket:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    listener.settimeout(0)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Connections inherit it. Without it the end of an answer would wait for the client's ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener


def _listen(listener: socket.socket) -> None:
    """Let connections come; more than one may bind an address, but only one listens.

    Raises:
        ListenError: another one does.
    """
    try:
        listener.listen(_BACKLOG)
    except OSError as error:
        host, port = listener.getsockname()[:2]
        raise _refused(host, port, error) from error


def url_of(listener: socket.socket, scheme: str) -> str:
    """Say where a socket is reached."""
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}:{port}"


def by_need(processes: Iterable[ServerProcess]) -> list[ServerProcess]:
    """Order those that can take a connection: first the one that holds the fewest."""
    able = (process for process in processes if process.can_take())
    return sorted(able, key=lambda process: process.connections)


class Door:
    """Open while some process can take connections; otherwise they wait in the kernel's queue."""

    # At the end, for processes that have many connections on the way to take them.
    closing_s: ClassVar[float] = 3.0

    def __init__(
        self, listener: socket.socket, processes: Sequence[ServerProcess], scheme: str = "http"
    ) -> None:
        """Share what `listener` accepts among `processes`, a list that others change."""
        self._listener = listener
        self._scheme = scheme
        self._processes = processes
        self._returned: deque[socket.socket] = deque()
        self._is_open = False
        self._is_listening = False
        self._is_closing = False
        self._is_closed = False
        self._later: asyncio.TimerHandle | None = None

    def open(self) -> None:
        """Accept from now on; a door that was closed stays so.

        Raises:
            ListenError: another one listens there by now.
        """
        if self._is_closing:  # a process that became ready while all are told to end
            return
        if not self._is_listening:
            _listen(self._listener)
            self._is_listening = True
            log.info("running on %s (Ctrl-C ends it)", url_of(self._listener, self._scheme))
        if not self._is_open and self._later is None:
            self._is_open = True
            asyncio.get_running_loop().add_reader(self._listener, self._admit)
            self._admit()

    def take_back(self, connections: Iterable[socket.socket]) -> None:
        """Hand out what a process has not taken before it ended."""
        self._returned.extend(connections)
        if self._is_closed:
            self._drop()
        elif self._is_open:
            self._admit()

    async def close(self) -> None:
        """Accept no more: new connections are refused; those that wait already are handed out."""
        self._is_closing = True
        self._stop()
        if self._is_listening:
            self._take_in()
        self._listener.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(self.closing_s):
                while self._returned and any(process.is_ready for process in self._processes):
                    self._admit()
                    await asyncio.sleep(_FULL_PAUSE_S)
        self._is_closed = True
        self._drop()

    def _take_in(self) -> None:
        """Accept what waits in the kernel's queue: no more than it holds, for more may come."""
        for _ in range(_BACKLOG + 1):
            try:
                self._returned.append(self._listener.accept()[0])
            except ConnectionAbortedError:
                continue
            except OSError:  # none waits any more, or no file may be opened
                return

    def _drop(self) -> None:
        while self._returned:
            self._returned.popleft().close()

    def _admit(self) -> None:
        """Hand out what waits, some at a time."""
        for _ in range(_AT_ONCE):
            takers = by_need(self._processes)
            if not takers:
                self._pause(_FULL_PAUSE_S)
                return
            connection = self._next()
            if connection is None:
                return
            if not any(process.give(connection) for process in takers):
                self._returned.append(connection)  # each of them has just ended

    def _next(self) -> socket.socket | None:
        """Take a connection that was returned, or a new one; None where none waits."""
        if self._returned or self._is_closing:
            return self._returned.popleft() if self._returned else None
        try:
            return self._listener.accept()[0]
        except (BlockingIOError, ConnectionAbortedError):
            return None
        except OSError as error:
            log.error("cannot accept connections: %s; trying again", error)  # noqa: TRY400
            self._pause(_ERROR_PAUSE_S)
            return None

    def _pause(self, seconds: float) -> None:
        """Let connections wait for a moment."""
        self._stop()
        self._later = asyncio.get_running_loop().call_later(seconds, self._reopen)

    def _reopen(self) -> None:
        self._later = None
        if any(process.is_ready for process in self._processes):
            self.open()

    def _stop(self) -> None:
        if self._is_open:
            asyncio.get_running_loop().remove_reader(self._listener)
        self._is_open = False
        if self._later is not None:
            self._later.cancel()
            self._later = None
