"""What a process that serves is told, and how it begins.

Whoever starts processes imports nothing of what serves in them: that takes a third of a second.
"""

import socket
from importlib import import_module
from typing import Any

from service.settings import Settings

APP = "service.app:create_worker_app"


def options(settings: Settings) -> dict[str, Any]:
    """Say what uvicorn is told, whether it serves alone or as one of several."""
    return {
        "factory": True,
        "http": "service.http.protocol:BoundedProtocol",
        "access_log": settings.access_log,
        "log_level": settings.log_level,
        "log_config": None,  # its records go where ours do
        "timeout_graceful_shutdown": settings.shutdown_grace_s,
        "server_header": False,
        "ssl_certfile": settings.ssl_certfile,
        "ssl_keyfile": settings.ssl_keyfile,
        "proxy_headers": bool(settings.forwarded_allow_ips),
        "forwarded_allow_ips": settings.forwarded_allow_ips,
    }


def serve_handed(end: socket.socket, place: int) -> None:
    """Serve what comes through a channel, as `service.processes.server` does.

    Args:
        end: of the channel, as the process has it.
        place: of the process; one that replaces it gets the same.
    """
    import_module("service.processes.server").serve_handed(end, place)
