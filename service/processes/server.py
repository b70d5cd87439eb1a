"""What a server process runs: uvicorn, on connections that the supervisor hands over."""

import asyncio
import logging
import socket
from collections import deque
from typing import cast

import uvicorn

from service.draining import DrainingServer
from service.http.protocol import BoundedProtocol
from service.processes.channel import Channel
from service.processes.start import APP, options
from service.settings import Settings
from service.shared_counts import count_in_place

# As long as a head may take: before it, nothing of ours counts the connection.
HANDSHAKE_TIMEOUT_S = BoundedProtocol.head_timeout_s


def serve_handed(end: socket.socket, place: int) -> None:
    """Serve what comes through the channel until SIGTERM, or until the supervisor is gone."""
    count_in_place(place)
    channel = Channel(end)
    server = HandedServer(uvicorn.Config(APP, **options(Settings())), channel)
    errors = _LastErrors()
    try:
        server.run()
    except KeyboardInterrupt:  # Ctrl-C goes to every process of the terminal
        pass
    except SystemExit:  # uvicorn has logged why
        channel.failed(errors.text)
        raise
    except Exception as error:
        channel.failed(f"{type(error).__name__}: {error}")
        raise


class HandedServer(DrainingServer):
    """Listens nowhere: its connections come through a channel."""

    def __init__(self, config: uvicorn.Config, channel: Channel) -> None:
        """Serve as `config` says what comes through `channel`."""
        super().__init__(config)
        self._channel = channel
        self._tasks: set[asyncio.Task[None]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002
        """Start the application, then take connections."""
        await super().startup(sockets=[])
        self._channel.open(self._take, self._end)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more, and end as uvicorn does."""
        self._channel.close(self._take)
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await super().shutdown(sockets)

    def _take(self, connection: socket.socket) -> None:
        task = asyncio.get_running_loop().create_task(self._serve_connection(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve_connection(self, connection: socket.socket) -> None:
        connection.settimeout(0)
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(
                self._protocol,
                connection,
                ssl=self.config.ssl,
                ssl_handshake_timeout=HANDSHAKE_TIMEOUT_S if self.config.ssl else None,
            )
        except OSError:  # the caller has hung up already, or speaks no TLS
            connection.close()
            self._channel.connection_ended()

    def _protocol(self) -> asyncio.Protocol:
        protocol = BoundedProtocol(self.config, self.server_state, self.lifespan.state)
        protocol.on_end = self._channel.connection_ended
        return cast("asyncio.Protocol", protocol)

    def _end(self) -> None:
        self.should_exit = True


class _LastErrors(logging.Handler):
    """Keeps the last lines that uvicorn logged as errors."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self._lines: deque[str] = deque(maxlen=2)
        logging.getLogger("uvicorn.error").addHandler(self)

    @property
    def text(self) -> str:
        return "; ".join(self._lines)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the end of a message: that of a traceback is the error itself."""
        self._lines.append(record.getMessage().strip().rpartition("\n")[2])
