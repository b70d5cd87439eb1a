"""A small server in a thread, beside what the process does: for the admin port."""

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from service.processes.door import url_of
from service.processes.supervisor import StartError

log = logging.getLogger("goodserve")

_LOOK_S = 0.01


@contextmanager
def served_aside(config: uvicorn.Config, listener: socket.socket) -> Iterator[None]:
    """Serve on a bound socket while the block lasts.

    Raises:
        StartError: the application does not start.
    """
    server = uvicorn.Server(config)
    # A daemon: an interpreter that ends for another reason must not wait for it.
    thread = threading.Thread(
        target=lambda: asyncio.run(server.serve([listener])), name="admin", daemon=True
    )
    thread.start()
    while not server.started:
        if not thread.is_alive():
            message = "the admin port cannot be served; the log says why"
            raise StartError(message)
        time.sleep(_LOOK_S)
    log.info("admin endpoints on %s", url_of(listener, "https" if config.is_ssl else "http"))
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()
