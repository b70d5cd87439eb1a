"""A real server of the S3 protocol, moto's, in a process of its own."""

import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest

# One request after the other: moto itself looks at a condition and writes in two steps.
_SERVE = """
import sys
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server
server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app))
print(server.port, file=sys.stdout, flush=True)
server.serve_forever()
"""


class S3Server(NamedTuple):
    """A running server."""

    address: str
    process: subprocess.Popen[str]

    def environment(self) -> dict[str, str]:
        """Give what AWS' own settings must say for the server."""
        return {
            "AWS_ENDPOINT_URL": self.address,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Let the server neither answer nor refuse while the block lasts."""
        self.process.send_signal(signal.SIGSTOP)
        yield
        self.process.send_signal(signal.SIGCONT)


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Run a server; skip the test where moto or s3fs are not installed."""
    pytest.importorskip("moto")
    pytest.importorskip("s3fs")
    command = [sys.executable, "-c", _SERVE]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=quiet, text=True) as process:
        assert process.stdout is not None
        try:
            yield S3Server(f"http://127.0.0.1:{int(process.stdout.readline())}", process)
        finally:
            process.kill()


def new_bucket() -> str:
    """Make an empty bucket; give its name. The environment says where."""
    import s3fs  # noqa: PLC0415  an extra

    name = f"models-{uuid.uuid4().hex}"
    s3fs.S3FileSystem(skip_instance_cache=True).mkdir(name)
    return name
