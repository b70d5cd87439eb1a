"""What a request costs on Ray Serve: asked of the replica itself, and through Ray's proxy.

    python -m benchmarks.ray_proxy --requests 300

CPU seconds of all processes of a cluster on this machine, less what it takes while nobody asks. The
same application answers both times: behind our server, and as an ASGI ingress of Ray Serve.
"""

import os
import socket
import time

import httpx
from cyclopts import App
from ray import serve

from benchmarks.machine import this_machine
from benchmarks.pictures import KINDS, draw_all
from benchmarks.usage import cpu_s
from model.artifact.repository import BUNDLED_REPOSITORY
from service.app import create_app
from service.cluster.fleet import Fleet, listed, of_each, start, stop
from service.cluster.joining import joined
from service.settings import Settings

app = App(help=__doc__)

_IDLE_S = 10.0


@app.default
def measure(requests: int = 300) -> None:
    """Ask one after the other over one connection, and print both costs."""
    settings = Settings(repository=str(BUNDLED_REPOSITORY), device="cpu")
    print(this_machine("benchmarks.ray_proxy", {}))
    with joined("local"):
        port = _free_port()
        start(Fleet(), settings, "127.0.0.1", port)
        while not (replicas := listed()):
            time.sleep(1)
        _tell("the replica itself", f"http://{replicas[0].address}/predict", requests)
        stop()
        ingress = serve.ingress(lambda: create_app(of_each(Fleet(), settings)))
        serve.run(serve.deployment(ingress(_Plain)).bind(), name="proxied", route_prefix="/")
        _tell("Ray's proxy", f"http://127.0.0.1:{port}/predict", requests)


class _Plain:
    """Ray Serve puts the application into it."""


def _tell(what: str, url: str, requests: int) -> None:
    """Measure and print one way."""
    picture = draw_all(KINDS["png32"])[0]
    with httpx.Client(timeout=60) as client:

        def ask(count: int) -> None:
            for _ in range(count):
                client.post(url, content=picture).raise_for_status()

        ask(max(20, requests // 5))
        idle = _cluster_s()
        time.sleep(_IDLE_S)
        idle = (_cluster_s() - idle) / _IDLE_S
        before, begun = _cluster_s(), time.perf_counter()
        ask(requests)
        clock = time.perf_counter() - begun
        spent = _cluster_s() - before - idle * clock
    each = (
        f"{1000 * spent / requests:.2f} ms of CPU and {1000 * clock / requests:.2f} ms by the clock"
    )
    print(f"{what}: {each} a request; idle, the cluster takes {1000 * idle:.0f} ms a second")


def _cluster_s() -> float:
    """Give the CPU seconds of all that this process has started."""
    return cpu_s(os.getpid()) - time.process_time()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


if __name__ == "__main__":
    app()
