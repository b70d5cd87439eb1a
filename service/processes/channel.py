"""What a server process says to its supervisor, and takes from it, over one socket pair.

The supervisor sends one byte with each connection, and nothing else. The process sends single
bytes: it is ready, it has taken a connection, one has ended, it lives. Its last words, if it fails,
end the stream. The supervisor keeps a connection until it hears that it was taken: of one that was
not, nothing has been read, so if the process dies, another one can serve it.
"""

import asyncio
import socket
from collections.abc import Callable

OnConnection = Callable[[socket.socket], None]

READY, TAKEN, CLOSED, ALIVE, FAILED = b"rtcaf"
BEAT_S = 1.0

_MOST_WORDS = 2000  # bytes of the last words: one write that fits into the socket's buffer


class Channel:
    """The process' end."""

    def __init__(self, end: socket.socket) -> None:
        """Take the socket that the supervisor gave."""
        end.settimeout(0)
        self._end = end
        self._unsaid = bytearray()  # where the socket's buffer was full
        self._beat: asyncio.TimerHandle | None = None

    def open(self, on_connection: OnConnection, on_end: Callable[[], None]) -> None:
        """Say that the process is ready, and take connections from now on.

        Args:
            on_connection: is given each one.
            on_end: is called when the supervisor is gone.
        """
        loop = asyncio.get_running_loop()
        loop.add_reader(self._end, self._take, on_connection, on_end)
        self._say(READY)
        self._beat = loop.call_later(BEAT_S, self._say_alive)

    def close(self, on_connection: OnConnection) -> None:
        """Take no more; those that are on the way are still given to `on_connection`."""
        if self._beat is not None:
            self._beat.cancel()
        asyncio.get_running_loop().remove_reader(self._end)
        self._end.shutdown(socket.SHUT_RD)  # the supervisor's next one fails, and goes elsewhere
        while (connection := self._next()) is not None:
            on_connection(connection)

    def connection_ended(self) -> None:
        """Tell the supervisor that a connection has ended."""
        self._say(CLOSED)

    def failed(self, why: str) -> None:
        """Say last words."""
        self._say(FAILED, why.encode()[:_MOST_WORDS])

    def _take(self, on_connection: OnConnection, on_end: Callable[[], None]) -> None:
        try:
            connection = self._next()
        except BlockingIOError:
            return
        if connection is None:
            asyncio.get_running_loop().remove_reader(self._end)
            on_end()
        else:
            on_connection(connection)

    def _next(self) -> socket.socket | None:
        """Take one connection; None where no more will come."""
        while True:
            try:
                data, descriptors, _, _ = socket.recv_fds(self._end, 1, 1)
            except ConnectionResetError:  # the supervisor died before it had read what we said
                return None
            if not data:
                return None
            self._say(TAKEN)
            if descriptors:
                return socket.socket(fileno=descriptors[0])
            self.connection_ended()  # no file descriptor was free, so the kernel closed it

    def _say_alive(self) -> None:
        self._say(ALIVE)
        self._beat = asyncio.get_running_loop().call_later(BEAT_S, self._say_alive)

    def _say(self, code: int, words: bytes = b"") -> None:
        """Say what the socket takes; the next beat says the rest."""
        self._unsaid += bytes([code]) + words
        try:
            del self._unsaid[: self._end.send(self._unsaid)]
        except OSError:  # its buffer is full, or the supervisor is gone, which the reader tells
            return
