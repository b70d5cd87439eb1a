"""`goodserve fleet`: the service on the machines of a Ray cluster."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Annotated, Any

from cyclopts import App, Group, Parameter
from cyclopts.validators import Number

from service.rows import RowsError
from service.settings import Settings

_SETTINGS = Group("Settings", help="Of each replica, as those of `goodserve serve`.")

Address = Annotated[
    str | None,
    Parameter(
        help="HOST:PORT of a Ray cluster's head; by default as RAY_ADDRESS says, or the one that "
        "this machine is part of."
    ),
]
Count = Annotated[int, Parameter(validator=Number(gte=1))]

app = App(name="fleet", help="Serve on the machines of a Ray cluster.")


@app.command
def start(  # noqa: PLR0913  each is a flag
    *,
    address: Address = None,
    least: Annotated[Count, Parameter(help="Replicas at any time.")] = 1,
    most: Annotated[
        int | None, Parameter(help="Replicas under load; by default the least.")
    ] = None,
    cores: Annotated[Count, Parameter(help="Cores of each replica.")] = 1,
    waiting: Annotated[
        float,
        Parameter(
            validator=Number(gt=0), help="Images that wait or run in each, from which one is added."
        ),
    ] = 64,
    up_s: Annotated[float, Parameter(help="Seconds of load before one is added.")] = 10,
    down_s: Annotated[float, Parameter(help="Seconds of quiet before one is taken away.")] = 300,
    directory_host: Annotated[
        str, Parameter(help="Address of the list on the head.")
    ] = "127.0.0.1",
    directory_port: Annotated[int, Parameter(help="Port of the list on the head.")] = 8100,
    settings: Annotated[Settings | None, Parameter(name="*", group=_SETTINGS)] = None,
) -> None:
    """Start replicas, or change those that run; each serves on a port of its own node."""
    with _fleet(address) as fleet:
        size = fleet.Fleet(least, most or least, cores, waiting, up_s, down_s)
        fleet.start(size, settings or Settings(), directory_host, directory_port)
        print(
            f"goodserve: replicas are listed on http://{directory_host}:{directory_port}/goodserve"
        )


@app.command(name="list")
def list_replicas(*, address: Address = None) -> None:
    """List the replicas that are ready: address, node, process."""
    with _fleet(address) as fleet:
        for each in fleet.listed():
            print(each.address, each.node, each.pid)


@app.command
def stop(*, address: Address = None) -> None:
    """End all replicas, each after what it has in flight."""
    with _fleet(address) as fleet:
        fleet.stop()


@contextmanager
def _fleet(address: str | None) -> Iterator[Any]:
    """Join the cluster while the block lasts, and give what works on its replicas."""
    if find_spec("ray") is None:
        message = "goodserve fleet needs ray, which is not installed: pip install 'goodserve[ray]'"
        raise RowsError(message)
    with import_module("service.cluster.joining").joined(address):
        yield import_module("service.cluster.fleet")
