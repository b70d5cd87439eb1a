"""How many cores a rate needs, from service times that were measured.

    python -m benchmarks.fleet measure --out times.json     # this machine, one process
    python -m benchmarks.fleet plan --times times.json --rate 20000 --p99-ms 50
    python -m benchmarks.fleet check                        # beside the real service

A service time is what a lone request takes from end to end, so it holds HTTP, decoding and the run.
"""

import argparse
import asyncio
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.crowd import requests
from benchmarks.forms import Message, message
from benchmarks.machine import this_machine
from benchmarks.pictures import KINDS, draw_all
from benchmarks.poisson import one_by_one, open_load
from benchmarks.queueing import Replica, drawn, latencies, percentile_ms, poisson
from benchmarks.servers import ROOT, ours, running, stopping_on_sigterm

_WARM = 200
_SIMULATED = 50_000
# Beyond this a replica that is up has to bear what one that failed leaves, and cannot.
_MOST_LOAD = 0.95


@dataclass(frozen=True)
class Plan:
    """What a rate needs.

    Attributes:
        cores: that serve.
        load: of each core, 1 is all it can do.
        p50_ms: simulated.
        p99_ms: simulated.
    """

    cores: int
    load: float
    p50_ms: float
    p99_ms: float


def simulated(
    times: Sequence[float], rate: float, batch: int, seed: int = 0
) -> tuple[float, float]:
    """Give p50 and p99 in milliseconds at one process that is asked at a rate."""
    generator = np.random.default_rng(seed)
    services = drawn(times, _SIMULATED, generator)
    arrivals = poisson(rate, _SIMULATED, generator)
    found = latencies(arrivals, services, Replica(batch=batch))
    return percentile_ms(found, 50), percentile_ms(found, 99)


def plan(times: Sequence[float], rate: float, p99_ms: float, batch: int) -> Plan:
    """Find the fewest cores, each with one process, whose simulated p99 is within the limit.

    Callers are shared out by chance, which is the worst that a balancer does.

    Raises:
        ValueError: even an idle core takes longer.
    """
    mean_s = float(np.mean(times))
    if 1e3 * float(np.percentile(times, 99)) > p99_ms:
        reason = f"an idle core's p99 is over {p99_ms:g} ms already"
        raise ValueError(reason)
    fewest = math.ceil(rate * mean_s / _MOST_LOAD)
    low, high = fewest, 64 * fewest
    while low < high:
        middle = (low + high) // 2
        is_enough = simulated(times, rate / middle, batch)[1] <= p99_ms
        low, high = (low, middle) if is_enough else (middle + 1, high)
    p50, p99 = simulated(times, rate / low, batch)
    return Plan(cores=low, load=rate * mean_s / low, p50_ms=p50, p99_ms=p99)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, plan or check; print."""
    options = _parser().parse_args(arguments)
    stopping_on_sigterm()
    if options.what == "measure":
        times = _measured(options)
        machine = this_machine("benchmarks.fleet", {"ours": ROOT}).model_dump()
        content = {"kind": options.kind, "machine": machine, "times_s": times}
        options.out.write_text(json.dumps(content))
        mean_ms = 1e3 * float(np.mean(times))
        print(f"{machine['processor']}, n = {len(times)}: mean {mean_ms:.3f} ms")
        return 0
    if options.what == "plan":
        times = json.loads(options.times.read_text())["times_s"]
        print(json.dumps(asdict(plan(times, options.rate, options.p99_ms, options.batch))))
        return 0
    for line in _checked(options):
        print(line)
    return 0


def _sent(kind: str) -> Message:
    return message("raw", draw_all(KINDS[kind]), KINDS[kind].content_type)


def _measured(options: argparse.Namespace) -> list[float]:
    """Ask one process of the service, a request after the other: seconds of each."""
    sent = _sent(options.kind)
    spec = ours("one", ROOT, "--workers 1 --lane-workers 1 --lone-threads 1")
    with running(spec, sent) as server:
        return asyncio.run(one_by_one(server.port, requests(sent), _WARM + options.count))[_WARM:]


def _checked(options: argparse.Namespace) -> list[str]:
    """Ask a real service at some loads, and put beside it what the simulation says of them.

    Service times are measured anew before each load: the machine may not be as fast as before.
    """
    sent = _sent(options.kind)
    lines = ["load   rate/s   measured p50, p99 ms   simulated p50, p99 ms   n"]
    spec = ours("one", ROOT, "--workers 1 --lane-workers 1 --lone-threads 1")
    with running(spec, sent) as server:
        for load in options.loads:
            times = asyncio.run(one_by_one(server.port, requests(sent), _WARM + options.count))
            times = times[_WARM:]
            rate = load / float(np.mean(times))
            asked = open_load(server.port, requests(sent), rate, options.seconds)
            found = np.array(asyncio.run(asked))
            p50, p99 = simulated(times, rate, options.batch)
            measured = f"{percentile_ms(found, 50):8.2f} {percentile_ms(found, 99):8.2f}"
            lines.append(
                f"{load:.2f} {rate:8.0f} {measured} {p50:14.2f} {p99:8.2f} {len(found):8d}"
            )
    return lines


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fleet", description="Plan a fleet from measured service times."
    )
    add = parser.add_argument
    add("what", choices=("measure", "plan", "check"))
    add("--times", type=Path, default=Path("times.json"), help="written by measure")
    add("--out", type=Path, default=Path("times.json"), help="where measure writes them")
    add("--kind", choices=tuple(KINDS), default="png32", help="pictures that are sent")
    add("--count", type=int, default=2000, help="requests to measure a service time by")
    add("--rate", type=float, default=1000, help="requests in a second, to plan for")
    add("--p99-ms", type=float, default=50, help="what 99 % of them may take")
    add("--batch", type=int, default=16, help="images in one run at most")
    add("--loads", type=float, nargs="+", default=[0.3, 0.7], help="to check, 1 is all it can do")
    add("--seconds", type=float, default=20, help="of each load")
    return parser


if __name__ == "__main__":
    sys.exit(main())
