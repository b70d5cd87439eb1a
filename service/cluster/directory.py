"""Which replicas serve, as they say themselves: a list to poll, beside the way of the requests."""

import time
from collections.abc import Callable
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import JSONResponse

# Its application: by this name the replicas find it, wherever it is started anew.
DIRECTORY = "goodserve-directory"
BEAT_S = 1.0
# So many beats may be late before a replica is left out.
_PATIENCE = 5


class Listed(NamedTuple):
    """A replica that is ready.

    Attributes:
        address: HOST:PORT.
        node: identifier of its node.
        pid: of its process there.
    """

    address: str
    node: str
    pid: int


class Directory:
    """Holds nothing that the next beats do not tell again: it may be lost, and begin anew."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Know of nobody; `clock` gives seconds."""
        self._clock = clock
        self._heard: dict[Listed, float] = {}

    def beat(self, address: str, node: str, pid: int) -> None:
        """Hear that a replica is ready."""
        self._heard[Listed(address, node, pid)] = self._clock()

    def forget(self, address: str, node: str, pid: int) -> None:
        """Hear that a replica ends."""
        self._heard.pop(Listed(address, node, pid), None)

    def listed(self) -> list[Listed]:
        """List the replicas that are ready, in the order of their addresses."""
        latest = self._clock() - _PATIENCE * BEAT_S
        self._heard = {each: at for each, at in self._heard.items() if at >= latest}
        return sorted(self._heard)

    async def __call__(self, _: Request) -> JSONResponse:
        """Answer in the form of Prometheus' HTTP service discovery."""
        return JSONResponse(
            [
                {"targets": [address], "labels": {"node": node, "pid": str(pid)}}
                for address, node, pid in self.listed()
            ]
        )
