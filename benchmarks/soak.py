"""Whether the service stays up: faults of every kind, one after the other, under mixed traffic.

    python -m benchmarks.soak
    python -m benchmarks.soak --seconds 75 --pause-s 1

Callers ask in every way, odd inputs between, while versions are swapped; they know the right scores
of every version, so each answer is held against them. A request whose connection breaks is sent
once more, at once. The faults take turns until the time is up, each at least once. Exit status 1:
a request was lost or answered wrongly, a connection broke where nothing was killed, or memory grew.
"""

import argparse
import io
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.callers import Callers, Noted, ends, kinds
from benchmarks.endurance import resident
from benchmarks.faults import FAULTS, Fault, Seen
from benchmarks.mixed import Ask, mixed
from benchmarks.pictures import KINDS, draw_all
from benchmarks.servers import ServerError, stopping_on_sigterm
from benchmarks.stage import NAME, Stage, staged
from model.artifact.version import RepositoryError

_AFTER_S = 0.5
_LONG_S = 300
_MB = 2**20


@dataclass(frozen=True)
class Done:
    """One fault that was done: when, and what came of it."""

    fault: Fault
    began_s: float
    ended_s: float
    seen: Seen


@dataclass
class Soak:
    """What a soak has seen.

    Attributes:
        done: the faults, in their order.
        obstacles: why others were not done, by their names.
        memory: `(when, bytes)` of all processes, twice a second.
        noted: every request.
        pauses: between which times nothing was done.
        workers: `(when, numbers)` of the processes that serve, as often as the memory.
    """

    done: list[Done] = field(default_factory=list)
    obstacles: dict[str, str] = field(default_factory=dict)
    memory: list[tuple[float, int]] = field(default_factory=list)
    noted: list[Noted] = field(default_factory=list)
    pauses: list[tuple[float, float]] = field(default_factory=list)
    workers: list[tuple[float, frozenset[int]]] = field(default_factory=list)

    def during(self, done: Done) -> list[Noted]:
        """Take the requests that a fault may have touched."""
        until_s = done.ended_s + _AFTER_S
        return [n for n in self.noted if n.ended_s >= done.began_s and n.began_s <= until_s]

    def between(self) -> list[Noted]:
        """Take the requests that no fault touched."""
        touched = {id(noted) for done in self.done for noted in self.during(done)}
        return [noted for noted in self.noted if id(noted) not in touched]

    def deaths(self, done: Done) -> int:
        """Count the processes that ended during a fault: on a starved machine more than are killed.

        One that says nothing for long counts as hung, and is replaced.
        """
        until_s = done.ended_s + _AFTER_S
        seen = [pids for at, pids in self.workers if done.began_s - 1 <= at <= until_s]
        return len(frozenset().union(*seen) - seen[-1]) if seen else 0

    def growth(self) -> float:
        """Give the memory in the last pause over that in the first one."""
        first, last = (self.held(*pause) for pause in (self.pauses[0], self.pauses[-1]))
        return last / first

    def held(self, began_s: float, ended_s: float) -> float:
        """Give the memory between two times: the median, in bytes."""
        found = [size for at, size in self.memory if began_s <= at <= ended_s]
        return statistics.median(found)


def main(arguments: Sequence[str] | None = None) -> int:
    """Soak, print, judge; return the exit status."""
    options = _parser().parse_args(arguments)
    stopping_on_sigterm()
    files = draw_all(KINDS["png32"])
    pixels = np.stack([np.asarray(Image.open(io.BytesIO(file)).convert("RGB")) for file in files])
    with tempfile.TemporaryDirectory(prefix="goodserve-soak-") as folder:
        place = Path(folder) / "disk"
        place.mkdir()
        try:
            with staged(place, files, pixels, options.flags) as stage:
                soak = _soaked(stage, files, options)
        except (ServerError, TimeoutError) as error:
            print(f"benchmarks.soak: {error}", file=sys.stderr)
            return 2
    print("\n".join(lines(soak)))
    found = faults_found(soak, options.callers, options.most_growth)
    print("\n".join(found), file=sys.stderr)
    return int(bool(found))


def _soaked(stage: Stage, files: Sequence[bytes], options: argparse.Namespace) -> Soak:
    """Do the faults in turn under load until the time is up, each at least once."""
    soak = Soak()
    possible = []
    for fault in FAULTS:
        is_left_out = fault.is_slow and options.seconds < _LONG_S
        obstacle = "the soak is short" if is_left_out else fault.obstacle(stage)
        if obstacle:
            soak.obstacles[fault.name] = obstacle
        else:
            possible.append(fault)
    asks = [_pinned(each) for each in mixed(files, NAME)]
    callers = Callers(stage.url, asks, stage.known)
    deadline = time.monotonic() + options.seconds
    with (
        callers.asking(options.callers, options.rate),
        _swapping(stage, options.swap_every_s),
        _measuring(stage, soak),
    ):
        time.sleep(options.warm_s)
        _pause(soak, options.pause_s)
        for number, fault in enumerate(cycle(possible)):
            if number >= len(possible) and time.monotonic() >= deadline:
                break
            began_s = time.monotonic()
            try:
                seen = fault.do(stage)
            except TimeoutError as error:
                message = f"{fault.name}: {error}"
                raise TimeoutError(message) from error
            soak.done.append(Done(fault, began_s, time.monotonic(), seen))
            _pause(soak, options.pause_s)
    soak.noted = callers.all
    return soak


def _pinned(ask: Ask) -> Ask:
    """Name the version that explanations come from: the other one has no graph for it."""
    if ask.kind != "evidence":
        return ask
    return ask._replace(path=f"/models/{NAME}/versions/1{ask.path}")


def _pause(soak: Soak, seconds: float) -> None:
    """Let things settle, then note when nothing is done."""
    time.sleep(_AFTER_S)
    began_s = time.monotonic()
    time.sleep(seconds)
    soak.pauses.append((began_s, time.monotonic()))


@contextmanager
def _swapping(stage: Stage, every_s: float) -> Iterator[None]:
    """Swap the two versions again and again, but for the time of faults that hold it up."""
    is_over = threading.Event()

    def swap() -> None:
        while not is_over.wait(every_s):
            with stage.swapping, suppress(RepositoryError):
                stage.swap()

    with _thread(swap, is_over):
        yield


@contextmanager
def _measuring(stage: Stage, soak: Soak) -> Iterator[None]:
    """Note the memory of all processes."""
    is_over = threading.Event()

    def measure() -> None:
        while not is_over.wait(0.5):
            now = time.monotonic()
            soak.memory.append((now, resident(stage.server.pid)))
            soak.workers.append((now, frozenset(each.pid for each in stage.workers())))

    with _thread(measure, is_over):
        yield


@contextmanager
def _thread(work: Callable[[], None], is_over: threading.Event) -> Iterator[None]:
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def lines(soak: Soak) -> Iterator[str]:
    """Write the table of faults, and what there was beside it."""
    yield "| fault | times | what was seen | requests | broken | lost | wrong | recovery, most |"
    yield "|---|---|---|---|---|---|---|---|"
    names = dict.fromkeys(done.fault.name for done in soak.done)
    for name in names:
        mine = [done for done in soak.done if done.fault.name == name]
        touched = [noted for done in mine for noted in soak.during(done)]
        recovery_s = max(done.seen.recovery_s for done in mine)
        what = mine[-1].seen.what
        yield f"| {name} | {len(mine)} | {what} | {_row(touched)} | {recovery_s:.1f} s |"
    for name, obstacle in soak.obstacles.items():
        yield f"| {name} | 0 | not done: {obstacle} | | | | | |"
    yield f"| between them | | | {_row(soak.between())} | |"
    yield ""
    seconds = soak.noted[-1].ended_s - soak.noted[0].began_s if soak.noted else 0.0
    counts = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds(soak.noted).items()))
    came = ", ".join(f"{end} {count}" for end, count in sorted(ends(soak.noted).items()))
    yield f"{len(soak.noted)} requests in {seconds:.0f} s: {counts}"
    yield f"how they ended: {came}"
    first, last = (soak.held(*pause) / _MB for pause in (soak.pauses[0], soak.pauses[-1]))
    yield f"memory: {first:.0f} MB at first, {last:.0f} MB at the end: {soak.growth():.3f}"


def _row(noted: Sequence[Noted]) -> str:
    found = ends(noted)
    return f"{len(noted)} | {found['broken']} | {found['lost']} | {found['wrong']}"


def faults_found(soak: Soak, callers: int, most_growth: float) -> list[str]:
    """List what must not be: lost and wrong answers, broken connections, memory that grew."""
    found = [
        f"{each.kind} was {each.end}: {each.why}"
        for each in soak.noted
        if each.end in ("lost", "wrong")
    ]
    for done in soak.done:
        broken, deaths = ends(soak.during(done))["broken"], soak.deaths(done)
        # Each death breaks at most the one connection that each caller holds.
        most = callers * max(1, deaths) if done.fault.may_break else 0
        if broken > most:
            found.append(
                f"{done.fault.name}: {broken} connections broke, at most {most} may; "
                f"{deaths} processes ended"
            )
    if broken := ends(soak.between())["broken"]:
        found.append(f"{broken} connections broke between the faults")
    if soak.growth() > most_growth:
        found.append(f"memory grew by {soak.growth():.3f}, at most {most_growth:g} is allowed")
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.soak",
        description="Do every fault to a service under mixed traffic, and count what was lost.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--seconds", type=float, default=1800, help="until which faults take turns")
    add("--pause-s", type=float, default=15, help="between two faults")
    add("--warm-s", type=float, default=30, help="of traffic before the memory is first measured")
    add("--callers", type=int, default=6, help="connections")
    add("--rate", type=float, default=40, help="requests in a second, all connections together")
    add("--swap-every-s", type=float, default=5, help="seconds from one swap to the next")
    add("--flags", default="--workers 2", help="flags for the service")
    add("--most-growth", type=float, default=1.15, help="of memory; over this the status is 1")
    return parser


if __name__ == "__main__":
    sys.exit(main())
