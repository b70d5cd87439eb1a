"""How the service bears more than it can do, and clients that take their time.

    python -m benchmarks.overload --seconds 60
    python -m benchmarks.overload --slow 500 --seconds 30
    python -m benchmarks.overload --url http://127.0.0.1:8000 --pid 1234

The clients run in this process, the server and whoever watches its health in others. Where they
share a machine, the table says how many cores each took.
"""

import argparse
import dataclasses
import json
import resource
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

from benchmarks import phases
from benchmarks.crowd import Crowd, requests
from benchmarks.forms import Message, message
from benchmarks.phases import Phase, Seen
from benchmarks.pictures import KINDS, draw_all
from benchmarks.servers import HOST, ROOT, ServerError, ours, running, stopping_on_sigterm
from benchmarks.slow import SLOW_KINDS, Outcome, SlowCrowd
from benchmarks.watch import watching

_NORMAL = 8
_SETTLE_S = 60  # for the watcher's start and end


def main(arguments: Sequence[str] | None = None) -> int:
    """Load a service, print what happened; return the exit status."""
    options = _parser().parse_args(arguments)
    stopping_on_sigterm()
    kind = KINDS[options.picture]
    sent = message("raw", draw_all(kind), kind.content_type)
    try:
        with ExitStack() as stack:
            port, pid = _target(options, sent, stack)
            _allow_many_files()
            run = _slow if options.slow else _overload
            lines = run(options, port, pid, sent)
    except ServerError as error:
        print(f"benchmarks.overload: {error}", file=sys.stderr)
        return 2
    if options.out:
        options.out.write_text("".join(json.dumps(dataclasses.asdict(s)) + "\n" for s in lines))
    return 0


def _overload(options: argparse.Namespace, port: int, pid: int | None, sent: Message) -> list[Seen]:
    """Rise to the peak, far beyond it, and fall to a few connections."""
    plan = phases.overload_phases(
        options.connections, options.seconds, options.peak, options.few, options.rate
    )
    header = f"X-Request-Timeout-Ms: {options.timeout_ms}\r\n" if options.timeout_ms else ""
    crowd = Crowd(port, requests(sent, header))

    async def live() -> list[phases.Span]:
        spans = [await phases.pass_through(crowd, phase, pid) for phase in plan]
        await crowd.leave()
        return spans

    with watching(port, pid, _length_s(plan)) as watch:
        spans = uvloop.run(live())
    found = [phases.seen(s, crowd.tally.between(s.began_s, s.ended_s), watch) for s in spans]
    print(phases.table(found), *phases.verdicts(found), sep="\n")
    return found


def _slow(
    options: argparse.Namespace, port: int, pid: int | None, sent: Message
) -> list[Seen | Outcome]:
    """Serve a few normal clients, first alone, then beside slow ones."""
    plan = [
        Phase("alone", _NORMAL, options.seconds),
        Phase("beside slow ones", _NORMAL, options.seconds),
    ]
    crowd = Crowd(port, requests(sent))
    slow = [SlowCrowd(port, sent, kind, options.slow) for kind in options.slow_kinds]

    async def live() -> tuple[list[phases.Span], list[Outcome]]:
        spans = [await phases.pass_through(crowd, plan[0], pid)]
        for one in slow:
            await one.come()
        spans.append(await phases.pass_through(crowd, plan[1], pid))
        await crowd.leave()
        return spans, [one.leave() for one in slow]

    with watching(port, pid, _length_s(plan)) as watch:
        spans, outcomes = uvloop.run(live())
    found = [phases.seen(s, crowd.tally.between(s.began_s, s.ended_s), watch) for s in spans]
    print(phases.table(found), *map(_sentence, outcomes), sep="\n")
    before, during = found[0].accepted_p99_ms, found[1].accepted_p99_ms
    print(f"p99 beside slow ones / alone: {during / before:.2f}" if before and during else "-")
    return [*found, *outcomes]


def _sentence(outcome: Outcome) -> str:
    statuses = ", ".join(f"{n} x {status}" for status, n in sorted(outcome.statuses.items()))
    return (
        f"{outcome.kind}: {outcome.wanted} wanted, {outcome.refused} could not connect, "
        f"{outcome.still_open} still open at the end; answers: {statuses or 'none'}"
    )


def _length_s(plan: list[Phase]) -> float:
    return sum(phase.seconds for phase in plan) + _SETTLE_S


def _target(options: argparse.Namespace, sent: Message, stack: ExitStack) -> tuple[int, int | None]:
    """Take the service that runs already, or start the checkout's own until `stack` ends."""
    if options.url is not None:
        return options.url, options.pid
    spec = ours("ours", options.checkout, options.flags)
    server = stack.enter_context(running(spec, sent))
    return server.port, server.pid


def _allow_many_files() -> None:
    """Raise this process's own limit; the server, started before, keeps what it was given."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _local_port(text: str) -> int:
    parts = urlsplit(text)
    if parts.hostname not in {HOST, "localhost"} or parts.port is None:
        reason = f"{text!r} is not http://{HOST}:PORT; only this machine's servers are loaded"
        raise argparse.ArgumentTypeError(reason)
    return parts.port


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.overload",
        description="Load the service beyond what it can do, or with clients that are slow.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--url", type=_local_port, help="a service that runs already (default: start one)")
    add("--pid", type=int, help="its first process, for memory and CPU")
    add("--checkout", type=Path, default=ROOT, help="whose service is started without --url")
    add("--flags", default="", help="flags for the service that is started")
    add("--picture", choices=KINDS, default="png32", help="what is sent")
    add("--seconds", type=float, default=60, help="of the overload; with --slow of each phase")
    add("--connections", type=int, default=1024, help="kept busy in the overload")
    add("--rate", type=float, default=0, help="requests/s offered in it; 0: no pause at all")
    add("--timeout-ms", type=int, default=0, help="deadline sent along; 0 sends none")
    add("--peak", type=int, default=64, help="connections with which the peak is measured")
    add("--few", type=int, default=16, help="connections before and after")
    add("--slow", type=int, default=0, metavar="N", help="N slow clients of each kind instead")
    add("--slow-kinds", nargs="+", choices=SLOW_KINDS, default=SLOW_KINDS, help="which kinds")
    add("--out", type=Path, metavar="FILE", help="where to write the figures as JSON lines")
    return parser


if __name__ == "__main__":
    sys.exit(main())
