"""The servers that are measured: started on a free port, and stopped whatever happens."""

import atexit
import http.client
import os
import random
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from benchmarks.forms import Message
from benchmarks.naive import MODEL_VARIABLE, STYLE_VARIABLE, THREADS_VARIABLE

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"

_START_S = 60
_STOP_S = 40  # over the service's grace of 30 s
_PORTS = range(20_000, 30_000)  # below the kernel's own: a client that polls cannot take it


class ServerError(Exception):
    """A server did not start; the message has the end of what it said."""


@dataclass(frozen=True)
class Spec:
    """How to start one server.

    Attributes:
        name: what the results call it.
        command: arguments after the interpreter's path; `{port}` stands for the port.
        folder: the working folder, first on the module search path.
        variables: added to the environment.
        forms: whether it takes more than raw bodies.
    """

    name: str
    command: tuple[str, ...]
    folder: Path = ROOT
    variables: Mapping[str, str] = field(default_factory=dict)
    forms: bool = True

    def takes(self, form: str) -> bool:
        """Tell whether the server understands a form of body."""
        return self.forms or form == "raw"


@dataclass(frozen=True)
class Running:
    """A server that answers: where, under which process, and how soon it first did."""

    spec: Spec
    pid: int
    port: int
    first_answer_s: float


def ours(name: str, folder: Path, flags: str = "") -> Spec:
    """Start the service of a checkout, with its defaults and its bundled model but for `flags`."""
    given = shlex.split(flags)
    bundled = () if "--repository" in given else ("--repository", "model/bundled")
    command = ("-m", "service", "serve", "--port", "{port}", *bundled, *given)
    return Spec(name, command, folder.resolve())


def naive(workers: int, threads: int, style: str, model: Path) -> Spec:
    """Start the naive server with uvicorn's own command."""
    command = ("-m", "uvicorn", "benchmarks.naive:create_app", "--factory", "--port", "{port}")
    quiet = ("--no-access-log", "--log-level", "warning")
    return Spec(
        f"naive-{workers}-{style}",
        (*command, "--workers", str(workers), *quiet),
        variables={
            MODEL_VARIABLE: str(model),
            THREADS_VARIABLE: str(threads),
            STYLE_VARIABLE: style,
        },
        forms=False,
    )


@contextmanager
def running(spec: Spec, probe: Message) -> Iterator[Running]:
    """Run a server for as long as the block lasts; it has answered `probe` when that begins.

    Raises:
        ServerError: it ended, or did not answer in time.
    """
    port = free_port()
    command = [sys.executable, *(part.format(port=port) for part in spec.command)]
    with tempfile.TemporaryFile() as said:
        started = time.monotonic()
        process = subprocess.Popen(
            command,
            cwd=spec.folder,
            env=_environment(spec),
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            if not _answers(process, port, probe, started + _START_S):
                said.seek(0)
                reason = f"{spec.name} did not answer: {shlex.join(command)}\n"
                raise ServerError(reason + said.read().decode(errors="replace")[-2000:])
            yield Running(spec, process.pid, port, time.monotonic() - started)
        finally:
            _stop(process)


def stopping_on_sigterm() -> None:
    """Let SIGTERM end this program as Ctrl-C does: what was started is stopped."""

    def leave(number: int, _: types.FrameType | None) -> NoReturn:
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, leave)


def _environment(spec: Spec) -> dict[str, str]:
    """Leave out the caller's own settings of the service: the defaults are measured."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("GOODSERVE_")}
    return kept | {"PYTHONPATH": str(spec.folder)} | dict(spec.variables)


def _answers(process: subprocess.Popen[bytes], port: int, probe: Message, deadline: float) -> bool:
    while time.monotonic() < deadline and process.poll() is None:
        if _status(port, probe) == http.HTTPStatus.OK:
            return True
        time.sleep(0.005)
    return False


def _status(port: int, probe: Message) -> int | None:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request(
            "POST", probe.path, probe.bodies[0], {"Content-Type": probe.content_type}
        )
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask it to end; take the whole process group down where it does not."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def free_port() -> int:
    """Take a port that nobody holds, and keep it until this process ends.

    A server that sets `SO_REUSEADDR`, as all that are started here do, can listen there. Another
    process that looks for a port passes it over, however late the server comes.

    Raises:
        ServerError: none of a hundred was free.
    """
    for port in random.sample(_PORTS, 100):
        trial = socket.socket()
        try:
            trial.bind((HOST, port))
        except OSError:
            trial.close()
            continue
        # Not before: then it would share a port that another process keeps in the same way.
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        atexit.register(trial.close)
        return port
    reason = f"none of 100 ports between {_PORTS.start} and {_PORTS.stop} is free"
    raise ServerError(reason)
