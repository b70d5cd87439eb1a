"""One replica: the application behind our own server, which Ray places, watches and restarts.

Requests come to its own port. Through Ray Serve's proxy each of them would cost several times what
our server takes; what passes there is only the list of replicas.
"""

import contextlib
import http.client
import logging
import os
import ssl
import threading
from http import HTTPStatus

import ray
import uvicorn
from ray import serve

from service.app import create_app
from service.cluster.directory import BEAT_S, DIRECTORY, Listed
from service.cluster.queue_policy import WAITING
from service.logs import configure_logging
from service.processes.aside import served_aside
from service.processes.door import bound_socket
from service.processes.start import options
from service.settings import Settings

log = logging.getLogger("goodserve")

_ASK_S = 5.0


class Replica:
    """Serves as long as it lives."""

    def __init__(self, settings: Settings) -> None:
        """Start to serve; the directory hears of it once a version is loaded.

        Raises:
            DeviceError: CUDA was asked for and does not work.
            KeysError: the keys cannot be read.
            ListenError: the port is taken.
            StartError: the application does not start.
        """
        configure_logging(settings)
        # Others must reach it, so the machine itself unless an address was named.
        named = "host" in settings.model_fields_set
        host = settings.host if named else ray.util.get_node_ip_address()
        listener = bound_socket(host, settings.port)
        where, port = listener.getsockname()[:2]
        node: str = ray.get_runtime_context().get_node_id()
        self._listed = Listed(f"{where}:{port}", node, os.getpid())
        self._directory = serve.get_app_handle(DIRECTORY)
        self._is_tls = settings.ssl_certfile is not None
        self._app = create_app(settings)
        self._running = contextlib.ExitStack()
        config = uvicorn.Config(self._app, **(options(settings) | {"factory": False}))
        self._running.enter_context(served_aside(config, listener, "replica"))
        self._ended = threading.Event()
        threading.Thread(target=self._beat, name="beat", daemon=True).start()

    def check_health(self) -> None:
        """Tell Ray that the server answers; where it does not, Ray replaces the replica.

        Raises:
            OSError: it does not.
        """
        self._ask("/health/live")

    def record_autoscaling_stats(self) -> dict[str, float]:
        """Tell Ray how many images wait or run."""
        return {WAITING: float(self._app.waiting())}

    def __del__(self) -> None:
        """End as `goodserve serve` does: out of the list first, then answer what is in flight."""
        self._ended.set()
        with contextlib.suppress(Exception):  # the directory may be gone already
            self._directory.forget.remote(*self._listed)
        self._running.close()

    def _beat(self) -> None:
        """Tell the directory again and again, as long as the replica is ready."""
        while not self._ended.wait(BEAT_S):
            try:
                if self._ask("/health/ready") == HTTPStatus.OK:
                    self._directory.beat.remote(*self._listed)
            except Exception:
                log.exception("%s could not be listed", self._listed.address)

    def _ask(self, path: str) -> int:
        """Ask the own server as anyone would; give the status."""
        host, _, port = self._listed.address.rpartition(":")
        if self._is_tls:
            unverified = ssl._create_unverified_context()  # noqa: S323, SLF001  its name is another
            asked: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, int(port), timeout=_ASK_S, context=unverified
            )
        else:
            asked = http.client.HTTPConnection(host, int(port), timeout=_ASK_S)
        with contextlib.closing(asked):
            asked.request("GET", path)
            return asked.getresponse().status
