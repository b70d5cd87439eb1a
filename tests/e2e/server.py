"""A real service in a process of its own, as `goodserve serve` starts it."""

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ADDRESS = re.compile(r"running on (https?://[\d.]+:\d+)")


class Server:
    """A running service and what it has said so far."""

    def __init__(self, repository: Path | str, *flags: str) -> None:
        """Start it on a free port, and wait until it listens."""
        command = [sys.executable, "-m", "service", "serve", "--port", "0"]
        self.process = subprocess.Popen(
            [*command, "--device", "cpu", "--repository", str(repository), *flags],
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        self.said = ""
        self.url = self._listen()

    def _listen(self, seconds: float = 60) -> str:
        deadline = time.monotonic() + seconds
        assert self.process.stderr is not None
        while time.monotonic() < deadline:
            ready, _, _ = select.select([self.process.stderr], [], [], 0.1)
            if ready:
                # Not a line: what lay in a buffer of ours, `select` would not see.
                self.said += os.read(self.process.stderr.fileno(), 65536).decode()
                found = ADDRESS.search(self.said)
                if found:
                    return found[1]
            assert self.process.poll() is None, self.said
        raise AssertionError(self.said)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; return the exit status."""
        self.process.send_signal(number)
        _, rest = self.process.communicate(timeout=60)
        self.said += rest
        return self.process.returncode


@contextmanager
def running(repository: Path | str, *flags: str) -> Iterator[Server]:
    """Run a service for as long as the block lasts."""
    server = Server(repository, *flags)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.communicate()
