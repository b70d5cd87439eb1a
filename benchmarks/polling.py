"""What a look for a new version costs: requests, bytes and CPU time, of a folder or a bucket.

    python -m benchmarks.polling model/bundled
    AWS_ENDPOINT_URL=http://minio:9000 python -m benchmarks.polling s3://models/team

The bucket is asked through a relay that counts, so its endpoint must be plain HTTP.
"""

import argparse
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from model.artifact.repository import ModelRepository

_REQUEST = b" HTTP/1.1\r\n"
_WARM = 3


@dataclass
class Counted:
    """What went through a relay: requests, and bytes each way."""

    requests: int = 0
    up: int = 0
    down: int = 0


@dataclass(frozen=True)
class Cost:
    """What one look costs on average.

    Attributes:
        requests: to the bucket; 0 of a folder.
        up: bytes sent.
        down: bytes received.
        cpu_ms: of this process.
    """

    requests: float
    up: float
    down: float
    cpu_ms: float


@contextmanager
def relay(endpoint: str) -> Iterator[tuple[str, Counted]]:
    """Pass bytes on to a plain HTTP endpoint and count them; give the relay's address."""
    to, counted = urlsplit(endpoint), Counted()

    def pump(source: socket.socket, sink: socket.socket, *, is_up: bool) -> None:
        with suppress(OSError):  # an end hangs up when it likes
            while data := source.recv(65536):
                if is_up:
                    counted.up += len(data)
                    counted.requests += data.count(_REQUEST)
                else:
                    counted.down += len(data)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        if not is_up:  # the bucket has said all: both ends are done
            source.close()
            sink.close()

    def accept() -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:  # closed: the end
                return
            far = socket.create_connection((to.hostname or "127.0.0.1", to.port or 80))
            for ends, is_up in (((near, far), True), ((far, near), False)):
                threading.Thread(
                    target=pump, args=ends, kwargs={"is_up": is_up}, daemon=True
                ).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", counted


def cost(place: str, looks: int) -> Cost:
    """Look so many times at a repository in which nothing changes."""
    if not place.startswith("s3://"):
        return _of_looks(place, looks, Counted())
    with relay(os.environ["AWS_ENDPOINT_URL"]) as (address, counted):
        os.environ["AWS_ENDPOINT_URL"] = address
        return _of_looks(place, looks, counted)


def _of_looks(place: str, looks: int, counted: Counted) -> Cost:
    repository = ModelRepository(place)
    for _ in range(_WARM):
        repository.state()
    before, cpu_before = Counted(counted.requests, counted.up, counted.down), time.process_time()
    for _ in range(looks):
        repository.state()
    cpu_s = time.process_time() - cpu_before
    return Cost(
        requests=(counted.requests - before.requests) / looks,
        up=(counted.up - before.up) / looks,
        down=(counted.down - before.down) / looks,
        cpu_ms=1e3 * cpu_s / looks,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.polling", description=__doc__)
    parser.add_argument("place", help="folder, or s3://BUCKET/PREFIX")
    parser.add_argument("--looks", type=int, default=200)
    options = parser.parse_args(arguments)
    found = cost(options.place, options.looks)
    print(
        f"a look: {found.requests:.2f} requests, {found.up:.0f} bytes up, {found.down:.0f} down, "
        f"{found.cpu_ms:.2f} CPU ms (the relay's included)"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
