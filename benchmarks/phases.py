"""The phases of an overload, and what each one showed."""

import time
from dataclasses import dataclass

import numpy as np

from benchmarks.crowd import Crowd
from benchmarks.figures import short
from benchmarks.tables import markdown
from benchmarks.tally import Answers
from benchmarks.usage import cpu_s
from benchmarks.watch import Watch

CALM, PEAK, OVERLOAD, FIRST_SECOND, AFTER = (
    "calm", "peak", "overload", "first second after", "after"
)  # fmt: skip
_MIB = 2**20


@dataclass(frozen=True)
class Phase:
    """Some time with so many connections.

    Attributes:
        name: what the results call it.
        connections: that are kept busy.
        seconds: how long.
        rate: requests offered in a second; 0 for as many as go.
    """

    name: str
    connections: int
    seconds: float
    rate: float = 0


@dataclass(frozen=True)
class Span:
    """A phase that has passed: when it was, and the CPU seconds that server and client took."""

    phase: Phase
    began_s: float
    ended_s: float
    server_cpu_s: float
    client_cpu_s: float


@dataclass(frozen=True)
class Seen:
    """What one phase showed; times in milliseconds, None where there was nothing to time.

    Attributes:
        phase: its name.
        connections: that were kept busy.
        accepted_per_s: answers of status 200 in a second.
        refused_per_s: other answers in a second, by status.
        broken: connections that broke or were refused.
        accepted_p50_ms: median latency of the 200s.
        accepted_p99_ms: 99th percentile of the latency of the 200s.
        refused_p50_ms: median latency of the other answers.
        refused_p99_ms: 99th percentile of the latency of the other answers.
        health_p99_ms: 99th percentile of the latency of `/health/live`.
        health_max_ms: longest latency of `/health/live`.
        health_missed: times it gave no 200.
        memory_max_mb: most memory of the whole server, in 2**20 bytes.
        server_cores: cores that the server kept busy.
        client_cores: cores that the clients kept busy.
    """

    phase: str
    connections: int
    accepted_per_s: float
    refused_per_s: dict[int, float]
    broken: int
    accepted_p50_ms: float | None
    accepted_p99_ms: float | None
    refused_p50_ms: float | None
    refused_p99_ms: float | None
    health_p99_ms: float | None
    health_max_ms: float | None
    health_missed: int
    memory_max_mb: float | None
    server_cores: float
    client_cores: float


def overload_phases(
    connections: int, seconds: float, peak: int, few: int, rate: float
) -> list[Phase]:
    """List the phases of an overload: before and after it stands what it is held against."""
    return [
        Phase(CALM, few, min(3, seconds)),
        Phase(PEAK, peak, min(5, seconds)),
        Phase(OVERLOAD, connections, seconds, rate),
        Phase(FIRST_SECOND, few, 1),
        Phase(AFTER, few, min(3, seconds)),
    ]


async def pass_through(crowd: Crowd, phase: Phase, pid: int | None) -> Span:
    """Let a crowd live through one phase."""
    server, client = cpu_s(pid) if pid else 0, time.process_time()
    began, ended = await crowd.stay(phase.connections, phase.seconds, phase.rate)
    return Span(
        phase=phase,
        began_s=began,
        ended_s=ended,
        server_cpu_s=(cpu_s(pid) if pid else 0) - server,
        client_cpu_s=time.process_time() - client,
    )


def seen(span: Span, answers: Answers, watch: Watch) -> Seen:
    """Put together what a phase's clients and its watcher saw."""
    looks = watch.between(span.began_s, span.ended_s)
    health = [1e3 * look.latency_s for look in looks if look.latency_s is not None]
    memory = [look.memory_bytes / _MIB for look in looks if look.memory_bytes is not None]
    return Seen(
        phase=span.phase.name,
        connections=span.phase.connections,
        accepted_per_s=answers.accepted_per_s(),
        refused_per_s=answers.refused_per_s(),
        broken=answers.broken,
        accepted_p50_ms=answers.latency_ms(answers.accepted, 50),
        accepted_p99_ms=answers.latency_ms(answers.accepted, 99),
        refused_p50_ms=answers.latency_ms(answers.refused, 50),
        refused_p99_ms=answers.latency_ms(answers.refused, 99),
        health_p99_ms=float(np.percentile(health, 99)) if health else None,
        health_max_ms=max(health, default=None),
        health_missed=sum(look.latency_s is None for look in looks),
        memory_max_mb=max(memory, default=None),
        server_cores=span.server_cpu_s / answers.seconds,
        client_cores=span.client_cpu_s / answers.seconds,
    )


def table(phases: list[Seen]) -> str:
    """Write what each phase showed, in Markdown."""
    heads = (
        "phase", "connections", "200/s", "refused/s", "broken", "200: p50, p99 ms",
        "refused: p50, p99 ms", "health: p99, max ms (missed)", "memory MB", "server cores",
        "client cores",
    )  # fmt: skip
    return markdown(heads, map(_row, phases))


def verdicts(phases: list[Seen]) -> list[str]:
    """Say what the overload cost: goodput by peak, recovery, and CPU of a refusal."""
    by_name = {phase.phase: phase for phase in phases}
    calm, peak, over = by_name[CALM], by_name[PEAK], by_name[OVERLOAD]
    goodput = _share(over.accepted_per_s, peak.accepted_per_s)
    recovery = _share(by_name[FIRST_SECOND].accepted_per_s, calm.accepted_per_s)
    lines = [
        f"200/s in overload / at peak: {goodput}",
        f"200/s in the first second after / before: {recovery}",
    ]
    refused = sum(over.refused_per_s.values())
    if refused and peak.accepted_per_s and peak.server_cores:
        answer = peak.server_cores / peak.accepted_per_s
        refusal = (over.server_cores - answer * over.accepted_per_s) / refused
        lines.append(
            f"CPU of a refusal: about {1e3 * refusal:.2f} ms, of an answer {1e3 * answer:.2f} ms"
        )
    return lines


def _row(phase: Seen) -> list[str]:
    refused = ", ".join(f"{status}: {short(n)}" for status, n in phase.refused_per_s.items())
    return [
        phase.phase,
        str(phase.connections),
        short(phase.accepted_per_s),
        refused or "-",
        str(phase.broken),
        _pair(phase.accepted_p50_ms, phase.accepted_p99_ms),
        _pair(phase.refused_p50_ms, phase.refused_p99_ms),
        f"{_pair(phase.health_p99_ms, phase.health_max_ms)} ({phase.health_missed})",
        "-" if phase.memory_max_mb is None else short(phase.memory_max_mb),
        f"{phase.server_cores:.2f}",
        f"{phase.client_cores:.2f}",
    ]


def _pair(first: float | None, second: float | None) -> str:
    return "-" if first is None or second is None else f"{short(first)}, {short(second)}"


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.2f}" if whole else "-"
