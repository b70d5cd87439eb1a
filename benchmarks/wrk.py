"""The load generator: wrk, started for one cell and read."""

import json
import resource
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.forms import Message, written

_SCRIPT = Path(__file__).with_name("load.lua")
# wrk counts an answer as lost after this long; a 12-megapixel picture in a queue takes seconds.
_TIMEOUT_S = 60


class LoadError(Exception):
    """The load generator is missing, or did not do its work; the message says why."""


@dataclass(frozen=True)
class Load:
    """What one run of wrk saw.

    Attributes:
        requests: answers that came back, of any status.
        seconds: how long it ran.
        p50_ms: median latency in milliseconds.
        p99_ms: the 99th percentile of the latency in milliseconds.
        non_2xx: answers of status 400 and over.
        socket_errors: connections refused or broken, answers that never came.
        cpu_s: CPU seconds, user and system, that wrk itself took.
    """

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    non_2xx: int
    socket_errors: int
    cpu_s: float = 0


def find_wrk() -> str:
    """Give the path of wrk.

    Raises:
        LoadError: it is not installed.
    """
    found = shutil.which("wrk")
    if found is None:
        reason = "wrk is not on the PATH; install Debian's package: apt-get install wrk"
        raise LoadError(reason)
    return found


def run_wrk(wrk: str, port: int, sent: Message, clients: int, seconds: float) -> Load:
    """Keep `clients` connections to 127.0.0.1 busy, each with one request at a time.

    Args:
        wrk: path of the program.
        port: where the server listens.
        sent: the bodies, which take turns.
        clients: connections.
        seconds: how long; wrk counts whole seconds, so at least 1.

    Raises:
        LoadError: wrk failed, or did not end by itself.
    """
    with written(sent.bodies) as paths:
        command = [
            wrk, "-t1", f"-c{clients}", f"-d{max(1, round(seconds))}s", f"--timeout={_TIMEOUT_S}s",
            "-s", str(_SCRIPT), f"http://127.0.0.1:{port}{sent.path}",
            "--", sent.content_type, *map(str, paths),
        ]  # fmt: skip
        cpu_before = _children_cpu_s()
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=True, timeout=seconds + _TIMEOUT_S
            )
        except subprocess.SubprocessError as error:
            reason = f"{' '.join(command[:6])} failed: {error}; {getattr(error, 'stderr', '')}"
            raise LoadError(reason) from error
    return parse(done.stdout, cpu_s=_children_cpu_s() - cpu_before)


def parse(output: str, cpu_s: float) -> Load:
    """Read the line of JSON with which `load.lua` ends wrk's output.

    Raises:
        LoadError: there is no such line.
    """
    lines = [line for line in output.splitlines() if line.startswith('{"requests"')]
    if not lines:
        reason = f"wrk printed no result; it said: {output.strip()!r}"
        raise LoadError(reason)
    return Load(**json.loads(lines[-1]), cpu_s=cpu_s)


def _children_cpu_s() -> float:
    """CPU seconds of the child processes that have ended; servers, which run on, do not count."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
