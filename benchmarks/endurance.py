"""Whether the service's memory grows over many requests.

    python -m benchmarks.endurance
    python -m benchmarks.endurance --requests 50000 --flags "--workers 2"

Every other request asks for an explanation, and one in a hundred is refused: paths that are seldom
taken leak as well.
"""

import argparse
import asyncio
import itertools
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import uvloop

from benchmarks.crowd import Crowd, requests
from benchmarks.forms import message
from benchmarks.pictures import KINDS, draw_all
from benchmarks.servers import ROOT, Running, ServerError, ours, running, stopping_on_sigterm
from benchmarks.usage import tree

_EVERY_S = 0.5
_BEGIN = 0.1  # of the requests: by then pools and caches are filled
_MB = 2**20


@dataclass(frozen=True)
class Sample:
    """What all processes of the server hold after so many answers."""

    answers: int
    memory_bytes: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Send the requests, print the memory; return 1 where it grew by more than allowed."""
    options = _parser().parse_args(arguments)
    stopping_on_sigterm()
    kind = KINDS["png32"]
    pictures = draw_all(kind)
    plain = message("raw", pictures, kind.content_type)
    try:
        with running(ours("ours", options.checkout, options.flags), plain) as server:
            explained = message("explain", pictures, kind.content_type)
            broken = requests(message("raw", [pictures[0][:99]], kind.content_type))
            pairs = zip(requests(plain), requests(explained), strict=True)
            mixed = list(itertools.chain.from_iterable(pairs))
            sent = (mixed * 4)[:99] + broken
            samples = uvloop.run(_sampled(server, sent, options))
    except ServerError as error:
        print(f"benchmarks.endurance: {error}", file=sys.stderr)
        return 2
    print("\n".join(lines(samples, options.requests)))
    return int(growth(samples, options.requests) > options.most_growth)


def growth(samples: list[Sample], requests: int) -> float:
    """Give the memory at the end over that after a tenth of the requests."""
    return samples[-1].memory_bytes / _begin(samples, requests).memory_bytes


def lines(samples: list[Sample], requests: int) -> list[str]:
    """Say what the server held after a tenth of the requests, at most, and at the end."""
    begin, most = _begin(samples, requests), max(s.memory_bytes for s in samples)
    return [
        f"after {begin.answers} answers: {begin.memory_bytes / _MB:.1f} MB",
        f"at most: {most / _MB:.1f} MB",
        f"after {samples[-1].answers} answers: {samples[-1].memory_bytes / _MB:.1f} MB",
        f"end / after a tenth: {growth(samples, requests):.3f}",
    ]


def _begin(samples: list[Sample], requests: int) -> Sample:
    return next((s for s in samples if s.answers >= _BEGIN * requests), samples[-1])


async def _sampled(server: Running, sent: list[bytes], options: argparse.Namespace) -> list[Sample]:
    """Keep the connections busy until all is answered, and look at the memory meanwhile.

    Raises:
        ServerError: no answer came for a while.
    """
    crowd, samples, answers = Crowd(server.port, sent), [Sample(0, resident(server.pid))], 0
    crowd.resize(options.clients)
    while answers < options.requests:
        span = await crowd.stay(options.clients, _EVERY_S)
        found = crowd.tally.between(*span)
        answered = int((found.status != 0).sum())
        crowd.tally.clear()  # of a million answers nothing is kept but their number
        if not answered:
            reason = f"no answer came within {_EVERY_S:g} s, after {answers}"
            raise ServerError(reason)
        answers += answered
        samples.append(Sample(answers, resident(server.pid)))
    await crowd.leave()
    await asyncio.sleep(_EVERY_S)
    samples.append(Sample(answers, resident(server.pid)))
    return samples


def resident(pid: int) -> int:
    """Add up what a server's processes hold, in bytes."""
    return sum(int(process.memory_info().rss) for process in tree(pid) if _lives(process))


def _lives(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.endurance",
        description="Watch the service's memory over many requests.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--requests", type=int, default=1_000_000, help="answers to wait for")
    add("--clients", type=int, default=32, help="connections kept busy")
    add("--flags", default="", help="flags for the service")
    add("--checkout", type=Path, default=ROOT, help="whose service is started")
    add("--most-growth", type=float, default=1.1, help="over this the exit status is 1")
    return parser


if __name__ == "__main__":
    sys.exit(main())
