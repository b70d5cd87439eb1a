"""What swaps cost those who ask meanwhile, and whether memory grows with them.

    python -m benchmarks.swaps
    python -m benchmarks.swaps --rounds 0 --swaps 500

A real service answers callers who ask at a steady rate, in turns without and with swaps between two
copies of one version. Then it swaps many times, and its memory after the tenth swap is compared
with that after the last.
"""

import argparse
import asyncio
import itertools
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import uvloop

from benchmarks.crowd import Crowd, requests
from benchmarks.endurance import resident
from benchmarks.forms import message
from benchmarks.pictures import KINDS, draw_all
from benchmarks.servers import ROOT, Running, ServerError, ours, running, stopping_on_sigterm
from benchmarks.tally import Answers
from model.artifact.repository import BUNDLED_REPOSITORY, ModelRepository
from model.artifact.version import VersionId

_SETTLE_S = 3.0
_TENTH = 10
# Of the curve of memory that is printed.
_POINTS = 10
_MB = 2**20


@dataclass(frozen=True)
class Part:
    """One part of a round.

    Attributes:
        swaps: how many there were in it.
        answers: of those who asked meanwhile.
    """

    swaps: int
    answers: Answers


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print; return 1 where a request failed or memory grew by more than allowed."""
    options = _parser().parse_args(arguments)
    stopping_on_sigterm()
    kind = KINDS["png32"]
    plain = message("raw", draw_all(kind), kind.content_type)
    with tempfile.TemporaryDirectory(prefix="goodserve-swaps-") as folder:
        repository, versions = two_copies(Path(folder))
        spec = ours("ours", options.checkout, f"--repository {folder} {options.flags}")
        try:
            with running(spec, plain) as server:
                swap = _swapper(repository, versions)
                parts = uvloop.run(_rounds(server, requests(plain), swap, options))
                memory = uvloop.run(_memory(server, requests(plain), swap, options))
        except ServerError as error:
            print(f"benchmarks.swaps: {error}", file=sys.stderr)
            return 2
    print("\n".join([*round_lines(parts), *memory_lines(memory)]))
    failed = sum(int((~part.answers.accepted).sum()) for part in parts)
    return int(failed > 0 or growth(memory) > options.most_growth)


def two_copies(root: Path) -> tuple[ModelRepository, list[VersionId]]:
    """Copy the bundled model twice, the first copy active.

    The files as they are: a service from before today's manifests reads them as well.
    """
    active = ModelRepository(BUNDLED_REPOSITORY).active()
    assert active is not None  # noqa: S101  the bundled repository has one
    versions = [VersionId(active.name, number) for number in "12"]
    for version in versions:
        bundled = BUNDLED_REPOSITORY / active.name / active.version
        shutil.copytree(bundled, root / version.name / version.version)
    repository = ModelRepository(root)
    repository.activate(versions[0])
    return repository, versions


def round_lines(parts: Sequence[Part]) -> Iterator[str]:
    """Say for the parts without and with swaps how long answers took, and what failed."""
    for swapping in (False, True):
        chosen = [part for part in parts if bool(part.swaps) == swapping]
        if not chosen:
            continue
        p50, p99, most = (_median(chosen, percent) for percent in (50, 99, 100))
        count = sum(len(part.answers.status) for part in chosen)
        failed = sum(int((~part.answers.accepted).sum()) for part in chosen)
        swaps = sum(part.swaps for part in chosen)
        what = f"{swaps} swaps" if swapping else "no swaps"
        yield (
            f"{what}: {count} answers, {failed} failed; medians over {len(chosen)} rounds: p50 "
            f"{p50:.2f} ms, p99 {p99:.2f} ms, longest {most:.1f} ms"
        )
    pairs = list(zip(parts[::2], parts[1::2], strict=True))
    if pairs:
        ratios = [_latency(b, 99) / _latency(a, 99) for a, b in pairs]
        yield f"p99 with swaps / without: {', '.join(f'{each:.2f}' for each in ratios)}"


def memory_lines(memory: Sequence[int]) -> Iterator[str]:
    """Say what the service held after the tenth swap and after the last one."""
    if len(memory) > _TENTH:
        tenth, last = memory[_TENTH] / _MB, memory[-1] / _MB
        yield (
            f"memory after {_TENTH} swaps {tenth:.1f} MB, after {len(memory) - 1} {last:.1f} MB: "
            f"{growth(memory):.3f}"
        )
        step = max(1, (len(memory) - 1) // _POINTS)
        curve = (f"{number}: {memory[number] / _MB:.0f}" for number in range(0, len(memory), step))
        yield f"MB after so many swaps: {', '.join(curve)}"


def growth(memory: Sequence[int]) -> float:
    """Give the memory after the last swap over that after the tenth: 1 where there were fewer."""
    return memory[-1] / memory[_TENTH] if len(memory) > _TENTH else 1.0


def _latency(part: Part, percent: float) -> float:
    found = part.answers.latency_ms(part.answers.accepted, percent)
    return float("nan") if found is None else found


def _median(parts: Sequence[Part], percent: float) -> float:
    return float(np.median([_latency(part, percent) for part in parts]))


def _swapper(repository: ModelRepository, versions: Sequence[VersionId]) -> Iterator[None]:
    """Activate the other version at each step."""
    for version in itertools.cycle(reversed(versions)):
        repository.activate(version)
        yield


async def _rounds(
    server: Running, sent: list[bytes], swap: Iterator[None], options: argparse.Namespace
) -> list[Part]:
    """Ask in turns without and with swaps."""
    crowd, parts = Crowd(server.port, sent), list[Part]()
    await crowd.stay(options.clients, _SETTLE_S, options.rate)
    for _ in range(options.rounds):
        for swaps in (0, max(1, round(options.seconds / options.every_s))):
            swapping = asyncio.create_task(_swap(swap, swaps, options.every_s))
            span = await crowd.stay(options.clients, options.seconds, options.rate)
            parts.append(Part(swaps, crowd.tally.between(*span)))
            await swapping
    await crowd.leave()
    return parts


async def _memory(
    server: Running, sent: list[bytes], swap: Iterator[None], options: argparse.Namespace
) -> list[int]:
    """Swap many times under a light load: the memory before the first swap and after each."""
    crowd, memory = Crowd(server.port, sent), [resident(server.pid)]
    crowd.resize(2, rate=20)
    for number in range(1, options.swaps + 1):
        await _swap(swap, 1, options.every_s)
        if number in {_TENTH, options.swaps}:  # in between two versions may be loaded
            await asyncio.sleep(_SETTLE_S)
        memory.append(resident(server.pid))
    await crowd.leave()
    return memory


async def _swap(swap: Iterator[None], times: int, every_s: float) -> None:
    for _ in range(times):
        await asyncio.to_thread(next, swap)
        await asyncio.sleep(every_s)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.swaps",
        description="Measure what swaps cost those who ask meanwhile.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--rounds", type=int, default=5, help="each without and with swaps")
    add("--seconds", type=float, default=20, help="of each part")
    add("--every-s", type=float, default=2, help="seconds from one swap to the next")
    add("--clients", type=int, default=16, help="connections")
    add("--rate", type=float, default=400, help="requests in a second, all connections together")
    add("--swaps", type=int, default=0, help="after the rounds, to watch the memory over")
    add("--flags", default="", help="flags for the service")
    add("--checkout", type=Path, default=ROOT, help="whose service is started")
    add("--most-growth", type=float, default=1.05, help="of memory; over this the status is 1")
    return parser


if __name__ == "__main__":
    sys.exit(main())
