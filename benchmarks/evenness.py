"""How evenly connections that come at once are shared among the server's processes.

python -m benchmarks.evenness
python -m benchmarks.evenness --flags "--workers 4" --rounds 50
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from benchmarks.forms import message
from benchmarks.pictures import KINDS, draw_all
from benchmarks.servers import HOST, ROOT, ServerError, ours, running, stopping_on_sigterm
from benchmarks.usage import tree

_REQUEST = f"GET /health/live HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
_START_S = 120
_SETTLE_S = 1  # a process that is starting still opens files meanwhile
_TOLD_S = 0.02  # in which a process begins to tell its supervisor of connections that it closed


def main(arguments: Sequence[str] | None = None) -> int:
    """Open connections in rounds, print the shares; return the exit status."""
    options = _parser().parse_args(arguments)
    stopping_on_sigterm()
    kind = KINDS["png32"]
    probe = message("raw", draw_all(kind), kind.content_type)
    try:
        with running(ours("ours", options.checkout, options.flags), probe) as server:
            for size in options.connections:
                until_all_serve(server.pid, server.port)
                rounds = [shares(server.pid, server.port, size) for _ in range(options.rounds)]
                print(sentence(size, rounds))
    except ServerError as error:
        print(f"benchmarks.evenness: {error}", file=sys.stderr)
        return 2
    return 0


def shares(pid: int, port: int, size: int) -> list[int]:
    """Open keep-alive connections at once, ask on each, and count them by process.

    Args:
        pid: of the server's first process.
        port: where it listens, on 127.0.0.1.
        size: how many connections.

    Returns:
        Connections of each process that has any, the fewest first; when it returns they are
        closed on both sides.
    """
    files = _open_files(pid)
    counts = asyncio.run(_opened_and_counted(pid, port, size))
    deadline = time.monotonic() + _SETTLE_S
    while _open_files(pid) > files and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(_TOLD_S)
    while not _have_told(pid) and time.monotonic() < deadline + _SETTLE_S:
        time.sleep(0.002)
    return counts


def held(pid: int, port: int) -> list[int]:
    """Count the connections of each process of a server, the fewest first, the first left out."""
    return sorted(_held_by(process, port) for process in _serving(pid))


def until_all_serve(pid: int, port: int) -> None:
    """Wait until every process has taken a connection of two for each.

    Raises:
        ServerError: some take none in two minutes.
    """
    deadline = time.monotonic() + _START_S
    while not all(found := shares(pid, port, 2 * len(_serving(pid)))):
        if time.monotonic() > deadline:
            reason = f"after {_START_S} s the processes take {found} connections each"
            raise ServerError(reason)
        time.sleep(0.05)


def sentence(size: int, rounds: list[list[int]]) -> str:
    """Say the least even round of connections, and the mean share of the process with fewest."""
    worst = min(rounds)
    least = sum(counts[0] for counts in rounds) / (size * len(rounds))
    return (
        f"{size} connections, {len(rounds)} rounds: worst {' / '.join(map(str, worst))}, "
        f"the fewest {worst[0] / size:.2f} of all, on average {least:.2f}"
    )


def _open_files(pid: int) -> int:
    """Count them over all processes: the kernel drops an aborted connection before its process."""
    count = 0
    for process in _serving(pid):
        with suppress(psutil.NoSuchProcess):
            count += process.num_fds()
    return count


def _have_told(pid: int) -> bool:
    """Tell whether nobody has work left: first those who tell, then the one who hears of it."""
    with suppress(psutil.NoSuchProcess):
        return all(p.status() == psutil.STATUS_SLEEPING for p in [*_serving(pid), *tree(pid)[:1]])
    return False


def _held_by(process: psutil.Process, port: int) -> int:
    try:
        found = process.net_connections("tcp")
    except psutil.NoSuchProcess:  # it has just ended, and its connections with it
        return 0
    return sum(c.status == psutil.CONN_ESTABLISHED and c.laddr.port == port for c in found)


def _serving(pid: int) -> list[psutil.Process]:
    """List the processes that serve: the children that were spawned, or the only one."""
    spawned = [p for p in tree(pid)[1:] if _is_spawned(p)]
    return spawned or tree(pid)


def _is_spawned(process: psutil.Process) -> bool:
    try:
        return any("spawn_main" in part for part in process.cmdline())
    except psutil.NoSuchProcess:
        return False


async def _opened_and_counted(pid: int, port: int, size: int) -> list[int]:
    opened = await asyncio.gather(*(asyncio.open_connection(HOST, port) for _ in range(size)))
    for _, writer in opened:
        writer.write(_REQUEST)
    await asyncio.gather(*(reader.readuntil(b"\r\n\r\n") for reader, _ in opened))
    counts = held(pid, port)
    for _, writer in opened:
        writer.transport.abort()
    return counts


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.evenness",
        description="Count how connections are shared among the server's processes.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--checkout", type=Path, default=ROOT, help="whose service is started")
    add("--flags", default="--workers 2", help="flags for the service")
    add("--connections", type=int, nargs="+", default=[8, 32, 128], help="opened at once")
    add("--rounds", type=int, default=20, help="for each number of connections")
    return parser


if __name__ == "__main__":
    sys.exit(main())
