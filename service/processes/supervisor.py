"""Keeps the server processes: starts them, hands connections out, replaces those that end."""

import asyncio
import logging
import signal
import socket

from service.processes.door import Door, ListenError
from service.processes.process import ServerProcess, Target
from service.processes.restarts import Restarts
from service.standstill import stood_still

log = logging.getLogger("goodserve")

_LOOK_S = 1.0
# Over the grace itself: a process also closes its sessions, and Python ends.
_AFTER_GRACE_S = 10.0


class StartError(Exception):
    """No server process can start; the message says why the last one did not."""


class Supervisor:
    """Serves by several processes until a signal, or until none can start."""

    def __init__(
        self,
        listener: socket.socket,
        target: Target,
        processes: int,
        grace_s: float,
        scheme: str = "http",
    ) -> None:
        """Prepare; nothing is started yet.

        Args:
            listener: bound, not listening.
            target: what each process runs; it gets its end of the channel and its place.
            processes: how many.
            grace_s: seconds that a process may take to end after SIGTERM.
            scheme: of the address that is logged.
        """
        self._target = target
        self._count = processes
        self._grace_s = grace_s
        self._processes: list[ServerProcess] = []
        self._door = Door(listener, self._processes, scheme)
        self._restarts = Restarts(processes)
        self._end = asyncio.Event()
        self._all_gone = asyncio.Event()
        self._failure: Exception | None = None

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then let the processes answer what is in flight.

        Raises:
            ListenError: another one listens on the address by the time a process can serve.
            StartError: the processes fail to start again and again, and none serves.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end.set)
        for _ in range(self._count):
            self._start()
        looking = asyncio.create_task(self._kill_the_hung())
        await self._end.wait()
        looking.cancel()
        await self._stop()
        if self._failure is not None:
            raise self._failure

    def _start(self) -> None:
        """Start one process, unless the end has come."""
        if self._end.is_set():
            return
        taken = {process.place for process in self._processes}
        process = ServerProcess(self._target, min(set(range(self._count)) - taken))
        self._processes.append(process)
        loop = asyncio.get_running_loop()
        loop.add_reader(process.channel, self._hear, process)
        loop.add_reader(process.sentinel, self._replace, process)

    def _hear(self, process: ServerProcess) -> None:
        was_ready = process.was_ready
        if not process.hear():
            asyncio.get_running_loop().remove_reader(process.channel)
        elif process.was_ready and not was_ready:
            self._restarts.ready()
            self._open_door()

    def _open_door(self) -> None:
        """Let callers in, or give up: nobody could ever come in."""
        try:
            self._door.open()
        except ListenError as error:
            self._failure = error
            self._end.set()

    def _replace(self, process: ServerProcess) -> None:
        """Bury a process that has ended, and start another one in its place, or give up."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(process.channel)
        loop.remove_reader(process.sentinel)
        self._processes.remove(process)
        pid, why = process.pid, process.bury()
        self._door.take_back(process.untaken())
        if not self._processes:
            self._all_gone.set()
        if self._end.is_set():
            return
        wait_s = self._restarts.wait_s(was_ready=process.was_ready)
        if self._restarts.is_hopeless and not any(p.is_ready for p in self._processes):
            self._give_up(why)
            return
        what = "ended" if process.was_ready else "could not start"
        when = f"in {wait_s:g} s" if wait_s else "now"
        log.error("server process %s %s (%s); another one starts %s", pid, what, why, when)
        loop.call_later(wait_s, self._start)

    def _give_up(self, why: str) -> None:
        message = f"no server process can start; the last one ended with {why}"
        self._failure = StartError(message)
        self._end.set()

    async def _stop(self) -> None:
        """Refuse new connections, and have every process end; kill those that do not in time."""
        await self._door.close()
        for process in self._processes:
            process.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(self._grace_s + _AFTER_GRACE_S):
                while self._processes:
                    self._all_gone.clear()
                    await self._all_gone.wait()
        except TimeoutError:
            for process in self._processes:
                log.error("server process %s does not end; it is killed", process.pid)  # noqa: TRY400
                process.signal(signal.SIGKILL)

    async def _kill_the_hung(self) -> None:
        """Kill processes that say nothing: they are replaced like any other that ends."""
        while True:
            if await stood_still(_LOOK_S):  # what they have to say comes only now
                for process in self._processes:
                    process.forgive()
            for process in self._processes:
                if process.is_hung:
                    log.error("server process %s says nothing any more; it is killed", process.pid)
                    process.signal(signal.SIGKILL)
