"""What is done to a service in a soak: each fault, and how it is seen to be over."""

import errno
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import httpx

from benchmarks.callers import until
from benchmarks.servers import HOST
from benchmarks.stage import NAME, RECOVERS_S, Stage, kill
from model.artifact.manifest import Manifest
from model.artifact.upkeep import delete_version
from model.artifact.version import RepositoryError, VersionId

_AWAY_S, _JUMPED_S, _IDLE_S = 3.0, 2.0, 3.0
_SPARE_FILES = 24
_BLOCK = bytes(2**20)


class Seen(NamedTuple):
    """What came of a fault.

    Attributes:
        what: was seen, in words.
        recovery_s: from its end, or a kill, until all was as before.
    """

    what: str
    recovery_s: float


class Fault(NamedTuple):
    """One kind of fault.

    Attributes:
        name: in the table.
        do: does it, and waits until it is over.
        may_break: whether requests in the hands of what is killed may break.
        obstacle: says why it cannot be done here; "": it can.
        is_slow: whether it takes so long that a short soak leaves it out.
    """

    name: str
    do: Callable[[Stage], Seen]
    may_break: bool = False
    obstacle: Callable[[Stage], str] = lambda _: ""
    is_slow: bool = False


def killed_worker(stage: Stage) -> Seen:
    """Kill one of the processes that serve."""
    workers = stage.workers()
    began = time.monotonic()
    kill(workers[0])
    until(lambda: workers[0].pid not in [each.pid for each in stage.workers()], RECOVERS_S)
    stage.until_whole(len(workers))
    return Seen("another process in its place", time.monotonic() - began)


def killed_all(stage: Stage) -> Seen:
    """Kill every process that serves; their supervisor lives."""
    workers = stage.workers()
    began = time.monotonic()
    for worker in workers:
        kill(worker)
    gone = {worker.pid for worker in workers}
    until(lambda: not gone & {each.pid for each in stage.workers()}, RECOVERS_S)
    stage.until_whole(len(workers))
    return Seen("both replaced; callers waited for the first", time.monotonic() - began)


def stopped_worker(stage: Stage) -> Seen:
    """Stop one of the processes that serve, as a debugger or a frozen disk would."""
    workers = stage.workers()
    began = time.monotonic()
    workers[0].send_signal(signal.SIGSTOP)
    until(lambda: workers[0].pid not in [each.pid for each in stage.workers()], RECOVERS_S)
    gone_s = time.monotonic() - began
    stage.until_whole(len(workers))
    return Seen(f"killed after {gone_s:.0f} s, another in its place", time.monotonic() - began)


def wrong_version(stage: Stage) -> Seen:
    """Activate a version that does not compute what its manifest says."""
    with stage.swapping:
        stored = stage.models[0]
        described = stored.manifest.model_dump()
        for golden in described["golden"]:
            golden["scores"] = [score + 1 for score in golden["scores"]]
        manifest = Manifest.model_validate(described)
        bad = stage.repository.publish(NAME, stored.model, manifest, stored.graphs)
        stage.repository.activate(bad)

        def is_refused() -> bool:
            found = httpx.get(f"{stage.url}/health/ready", timeout=10)
            refused = found.json().get("refused") or {}
            return found.status_code == httpx.codes.OK and refused.get("version") == str(bad)

        until(is_refused, RECOVERS_S)
        began = time.monotonic()
        _settle(stage)
        delete_version(stage.repository, bad)
    return Seen("refused; the one before went on", time.monotonic() - began)


def full_disk(stage: Stage) -> Seen:
    """Fill the disk, try to publish, make room, publish."""
    root = stage.repository.root
    filler = root.parent / "filler"
    with stage.swapping:
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(_BLOCK)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
        refusal = _refusal(lambda: stage.publish(0))
        still = _refusal(stage.swap)
        time.sleep(1)
        filler.unlink()
        began = time.monotonic()
        version = stage.publish(0)
        stage.repository.activate(version)
        until(lambda: stage.serves(version), RECOVERS_S)
        recovery_s = time.monotonic() - began
        _settle(stage)
        delete_version(stage.repository, version)
    what = "publishing refused" if refusal else "published all the same"
    return Seen(f"{what}{', activating too' if still else ''}; then it served", recovery_s)


def away_repository(stage: Stage) -> Seen:
    """Move the repository away for a while."""
    root = stage.repository.root
    with stage.swapping:
        away = root.rename(root.with_name("away"))
        try:
            time.sleep(_AWAY_S)
            status = httpx.get(f"{stage.url}/health/ready", timeout=10).status_code
        finally:
            away.rename(root)
        began = time.monotonic()
        version = stage.swap()
        until(lambda: stage.serves(version), RECOVERS_S)
    return Seen(f"ready was {status}; the next swap came", time.monotonic() - began)


def jumped_clock(stage: Stage) -> Seen:
    """Set the service's clock a day on, then two days back, then right."""
    assert stage.clock is not None  # noqa: S101  else there is an obstacle
    for shift in ("+1d", "-1d"):
        stage.clock.write_text(shift)
        time.sleep(_JUMPED_S)
    with stage.swapping:  # a swap in another time
        version = stage.swap()
        took_s = until(lambda: stage.serves(version), RECOVERS_S)
    stage.clock.write_text("+0")
    return Seen("a swap came in the wrong time as well", took_s)


def no_files(stage: Stage) -> Seen:
    """Let the processes open hardly any more files, and take those by idle connections."""
    with stage.swapping, _few_files(stage), ExitStack() as idle:
        opened = sum(_is_open(idle, stage.server.port) for _ in range(4 * _SPARE_FILES))
        threading.Event().wait(_IDLE_S)
        is_new = _answers(stage)
    began = time.monotonic()
    until(lambda: _answers(stage), RECOVERS_S)
    with stage.swapping:
        version = stage.swap()
        until(lambda: stage.serves(version), RECOVERS_S)
    newcomers = "answered" if is_new else "waited"
    return Seen(f"{opened} idle connections; newcomers {newcomers}", time.monotonic() - began)


@contextmanager
def _few_files(stage: Stage) -> Iterator[None]:
    """Lower the limits of the running processes while the block lasts."""
    before = {}
    for process in stage.processes():
        limits = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        before[process.pid] = limits
        low = process.num_fds() + _SPARE_FILES
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (low, limits[1]))
    try:
        yield
    finally:
        for process in stage.processes():
            if process.pid in before:
                resource.prlimit(process.pid, resource.RLIMIT_NOFILE, before[process.pid])


def _is_open(held: ExitStack, port: int) -> bool:
    try:
        held.enter_context(socket.create_connection((HOST, port), timeout=2))
    except OSError:
        return False
    return True


def _answers(stage: Stage) -> bool:
    """Tell whether somebody new is answered soon."""
    try:
        found = httpx.get(f"{stage.url}/health/live", timeout=2)
    except httpx.TransportError:
        return False
    return found.status_code == httpx.codes.OK


def _settle(stage: Stage) -> None:
    """Go back to the first two versions, so that roll-back needs no other one."""
    stage.swap()
    version = stage.swap()
    until(lambda: stage.serves(version), RECOVERS_S)


def _refusal(change: Callable[[], VersionId]) -> str:
    """Say why the repository cannot be changed; "": it was."""
    try:
        change()
    except RepositoryError as error:
        return str(error)
    return ""


def _no_disk(stage: Stage) -> str:
    return "" if stage.has_disk else "a small disk needs root"


def _no_clock(stage: Stage) -> str:
    return "" if stage.clock is not None else "libfaketime is not installed"


FAULTS = (
    Fault("a process is killed", killed_worker, may_break=True),
    Fault("a process hangs", stopped_worker, may_break=True, is_slow=True),
    Fault("a wrong version becomes active", wrong_version),
    Fault("the disk is full", full_disk, obstacle=_no_disk),
    Fault("the repository is away", away_repository),
    Fault("the clock jumps", jumped_clock, obstacle=_no_clock),
    Fault("no file may be opened", no_files),
    Fault("all processes are killed", killed_all, may_break=True),
)
