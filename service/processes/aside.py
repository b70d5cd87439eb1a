"""A server in a thread, beside what the process does: the admin port, or the work of a cluster."""

import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from service.draining import DrainingServer
from service.processes.door import url_of
from service.processes.supervisor import StartError

log = logging.getLogger("goodserve")

_LOOK_S = 0.01


@contextmanager
def served_aside(
    config: uvicorn.Config, listener: socket.socket, what: str = "admin endpoints"
) -> Iterator[None]:
    """Serve on a bound socket while the block lasts; then answer what is in flight.

    Args:
        config: of the server.
        listener: the socket.
        what: is served, for the log.

    Raises:
        StartError: the application does not start.
    """
    server = DrainingServer(config)
    # A daemon: an interpreter that ends for another reason must not wait for it.
    thread = threading.Thread(target=server.run, args=([listener],), name=what, daemon=True)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            message = f"the {what} cannot be served; the log says why"
            raise StartError(message)
        time.sleep(_LOOK_S)
    log.info("%s on %s", what, url_of(listener, "https" if config.is_ssl else "http"))
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()
