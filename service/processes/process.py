"""One server process, as its supervisor sees it."""

import multiprocessing
import os
import signal
import socket
import time
from collections import deque
from collections.abc import Callable

from service.processes.channel import CLOSED, FAILED, READY, TAKEN

# Is given the process' end of the channel, and its place among the processes.
Target = Callable[[socket.socket, int], None]

_HEARD_AT_ONCE = 65536
_MOST_ON_THE_WAY = 64
# A process says every second that it lives. One that is late gets no more connections; one that
# is silent for as long as this is stopped or blocked for good.
_LATE_S, _SILENT_S = 3.0, 15.0

_spawn = multiprocessing.get_context("spawn")


class ServerProcess:
    """A process that was started, the connections it holds, and what it has said."""

    def __init__(
        self, target: Target, place: int = 0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Start it: `target` is called there, in a place that no other process has."""
        self._clock = clock
        self.place = place
        self.channel, theirs = socket.socketpair()
        self.channel.settimeout(0)
        self.is_ready = False
        self.was_ready = False
        self.connections = 0
        self._on_the_way: deque[socket.socket] = deque()
        self._why = b""
        self._heard_at = clock()
        self._process = _spawn.Process(target=target, args=(theirs, place))
        with theirs:
            self._process.start()

    @property
    def pid(self) -> int | None:
        """Its number."""
        return self._process.pid

    @property
    def sentinel(self) -> int:
        """A file descriptor that can be read when the process has ended."""
        return self._process.sentinel

    @property
    def is_hung(self) -> bool:
        """Tell whether it serves, but has said nothing for too long."""
        return self.is_ready and self._silence_s() > _SILENT_S

    def can_take(self) -> bool:
        """Tell whether it serves and few connections are on the way to it."""
        has_room = len(self._on_the_way) < _MOST_ON_THE_WAY
        return self.is_ready and has_room and self._silence_s() < _LATE_S

    def give(self, connection: socket.socket) -> bool:
        """Send a connection, and keep it until it is taken; tell whether it could be sent."""
        try:
            socket.send_fds(self.channel, [b"c"], [connection.fileno()])
        except OSError as error:
            if isinstance(error, BrokenPipeError | ConnectionResetError):
                self.is_ready = False
            return False
        self.connections += 1
        self._on_the_way.append(connection)
        return True

    def hear(self) -> bool:
        """Take what it has said; tell whether it may say more."""
        said = self._read()
        if said is None:
            return True
        if not said:
            self.is_ready = False
            return False
        self._heard_at = self._clock()
        self._understand(said)
        return True

    def forgive(self) -> None:
        """Count its silence from now on: nobody could hear it."""
        self._heard_at = self._clock()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        if self._process.exitcode is None and self.pid is not None:
            os.kill(self.pid, number)

    def untaken(self) -> list[socket.socket]:
        """Give back what was on the way when it ended: nothing has been read from these."""
        connections = list(self._on_the_way)
        self._on_the_way.clear()
        return connections

    def bury(self) -> str:
        """Collect it after its end; say why it ended."""
        while said := self._read():  # its last words, if they have not been heard
            self._understand(said)
        self.is_ready = False
        self.channel.close()
        self._process.join()
        code = self._process.exitcode or 0
        self._process.close()
        end = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        why = self._why.decode(errors="replace")
        return f"{end}: {why}" if why else end

    def _silence_s(self) -> float:
        return self._clock() - self._heard_at

    def _read(self) -> bytes | None:
        """Read from the channel: nothing at its end, None where there is nothing yet."""
        try:
            return self.channel.recv(_HEARD_AT_ONCE)
        except BlockingIOError:
            return None
        except ConnectionResetError:
            return b""

    def _understand(self, said: bytes) -> None:
        if self._why:
            self._why += said
            return
        said, _, why = said.partition(bytes([FAILED]))
        self._why = why
        for _ in range(said.count(TAKEN)):
            self._on_the_way.popleft().close()
        self.connections -= said.count(CLOSED)
        if READY in said:
            self.is_ready = self.was_ready = True
