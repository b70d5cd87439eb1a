"""CPU time and memory of a server: of its first process and all that it started."""

import time
from collections.abc import Callable
from pathlib import Path

import psutil


def tree(pid: int) -> list[psutil.Process]:
    """List a process and its descendants; none where it has ended."""
    try:
        first = psutil.Process(pid)
        return [first, *first.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def cpu_s(pid: int) -> float:
    """Add up the CPU seconds, user and system, of a process tree, ended workers included."""
    total = 0.0
    for process in tree(pid):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def memory_bytes(pid: int) -> int:
    """Say what a process tree holds in memory, each library that it shares counted once.

    Private memory is split among the processes that fork it. Of the mapped files the largest
    share of one process counts: all of a server's processes map the same ones. PSS would
    divide them also among the other servers of the run, and so flatter whoever has company.
    """
    shares = [_share(process.pid) for process in tree(pid)]
    return sum(own for own, _ in shares) + max((files for _, files in shares), default=0)


def wait_until_idle(
    pid: int,
    *,
    at_most_s: float,
    window_s: float = 0.2,
    busy_share: float = 0.05,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Wait until a server has worked off what its last clients left; tell whether it has."""
    before = cpu_s(pid)
    for _ in range(max(1, round(at_most_s / window_s))):
        sleep(window_s)
        after = cpu_s(pid)
        if after - before <= busy_share * window_s:
            return True
        before = after
    return False


def idle_cpu_share(pid: int, seconds: float) -> float:
    """Measure what a server takes while nobody asks: 0.01 is one per cent of a core."""
    cpu_before, started = cpu_s(pid), time.monotonic()
    time.sleep(seconds)
    return (cpu_s(pid) - cpu_before) / (time.monotonic() - started)


def _share(pid: int) -> tuple[int, int]:
    """Give one process's private bytes, and those of the files that it maps."""
    try:
        rollup = _fields(Path(f"/proc/{pid}/smaps_rollup").read_text())
        status = _fields(Path(f"/proc/{pid}/status").read_text())
        return rollup["Pss_Anon"] + rollup["Pss_Shmem"], status["RssFile"]
    except (OSError, KeyError):  # it has ended, or the kernel does not tell
        return _resident(pid), 0


def _resident(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def _fields(text: str) -> dict[str, int]:
    """Read lines such as `RssFile:  512 kB` as bytes."""
    lines = (line.split() for line in text.splitlines())
    return {line[0].rstrip(":"): int(line[1]) * 1024 for line in lines if line[-1:] == ["kB"]}
