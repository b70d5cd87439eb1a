"""What Prometheus may know of the service's processes: CPU, memory, open files, restarts.

The library's own collector speaks of one process, and is silent where several share their counts.
"""

import os
import resource
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

_PROC = Path("/proc")


class ProcessState(NamedTuple):
    """What the system says of one process.

    Attributes:
        cpu_s: seconds of CPU, user and system.
        ended_cpu_s: of its children that have ended.
        resident_bytes: in memory.
        open_files: descriptors.
        started_s: since the epoch.
    """

    cpu_s: float
    ended_cpu_s: float
    resident_bytes: int
    open_files: int
    started_s: float


class ProcessCollector(Collector):
    """Reads the processes anew at each scrape; gives nothing where there is no `/proc`."""

    def __init__(self, pids: Sequence[int]) -> None:
        """Speak of these processes; the first one has started the others, if there are any."""
        self._pids = pids

    def collect(self) -> Iterator[Metric]:
        """Give the figures, by the names that Prometheus' libraries have for them."""
        states = [state for pid in self._pids if (state := read_state(pid)) is not None]
        if states:
            yield from _families(states)


def _families(states: list[ProcessState]) -> Iterator[Metric]:
    # With that of ended children, or the sum would fall whenever a process is replaced.
    cpu_s = sum(each.cpu_s for each in states) + states[0].ended_cpu_s
    yield CounterMetricFamily("process_cpu_seconds", "Seconds of CPU of all processes", value=cpu_s)
    yield from _gauges(
        (
            "process_resident_memory_bytes",
            "Bytes in memory of all processes; what several share counts for each",
            sum(each.resident_bytes for each in states),
        ),
        (
            "process_open_fds",
            "Open file descriptors of the process that has most",
            max(each.open_files for each in states),
        ),
        (
            "process_max_fds",
            "Most file descriptors that a process may open",
            resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        ),
        (
            "process_start_time_seconds",
            "When the service began, in seconds since the epoch",
            states[0].started_s,
        ),
        (
            "goodserve_processes",
            "Processes of the service that live, a supervisor included",
            len(states),
        ),
        (
            "goodserve_youngest_start_time_seconds",
            "When the last process began: it changes with every one that is replaced",
            max(each.started_s for each in states),
        ),
    )


def _gauges(*rows: tuple[str, str, float]) -> Iterator[Metric]:
    for name, text, value in rows:
        yield GaugeMetricFamily(name, text, value=value)


def read_state(pid: int) -> ProcessState | None:
    """Ask the system about a process; None where it has ended, or nothing can be known."""
    folder = _PROC / str(pid)
    try:
        # After the name, which may hold spaces and brackets, fields 3 and on.
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        open_files = sum(1 for _ in (folder / "fd").iterdir())
        began_s = (_PROC / "stat").read_text().partition("btime ")[2].split()[0]
    except (OSError, IndexError):
        return None
    ticks = os.sysconf("SC_CLK_TCK")
    user, system, ended_user, ended_system = (int(each) / ticks for each in fields[11:15])
    return ProcessState(
        cpu_s=user + system,
        ended_cpu_s=ended_user + ended_system,
        resident_bytes=int(fields[21]) * os.sysconf("SC_PAGE_SIZE"),
        open_files=open_files,
        started_s=float(began_s) + int(fields[19]) / ticks,
    )
