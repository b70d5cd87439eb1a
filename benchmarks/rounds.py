"""One round of the benchmark: every server started, and every cell measured on all of them."""

import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TypeVar

from benchmarks import limit
from benchmarks.figures import limit_cell
from benchmarks.forms import Message
from benchmarks.options import REPOSITORY, Plan
from benchmarks.records import LIMIT_PREFIX, Cell, Record, Sample, Start
from benchmarks.servers import Running, running
from benchmarks.usage import cpu_s, idle_cpu_share, memory_bytes, wait_until_idle
from benchmarks.wrk import run_wrk

_WARM_S, _WARM_CLIENTS = 1, 32
# A naive server still decodes for half a minute what 128 clients sent who have long gone.
_SETTLE_S = 40
_MIB = 2**20
_Thing = TypeVar("_Thing")


@dataclass(frozen=True)
class Round:
    """One pass over everything.

    Attributes:
        number: counted from 0.
        plan: what is to be measured.
        wrk: path of the load generator.
        messages: what is sent, by form and kind of picture.
        order: shuffles servers and cells.
    """

    number: int
    plan: Plan
    wrk: str
    messages: Mapping[tuple[str, str], Message]
    order: random.Random

    def run(self) -> Iterator[Record]:
        """Start the servers, measure, and stop them; each record comes as soon as it is there.

        Raises:
            ServerError: a server did not start.
            LoadError: wrk failed.
        """
        with ExitStack() as stack:
            servers = []
            for spec in self._shuffled(self.plan.specs):
                servers.append(stack.enter_context(running(spec, self._probe())))
                yield self._start(servers[-1])
            for job in self._jobs():
                if isinstance(job, Cell):
                    for server in self._shuffled(servers):
                        if server.spec.takes(job.form):
                            yield self._cell(server, job)
                else:
                    yield self._limit(*job)

    def _jobs(self) -> list[Cell | tuple[limit.Layout, str]]:
        """Shuffle cells and layouts together; what is held against each other stays near."""
        bodies = dict.fromkeys(cell.body for cell in self.plan.cells)
        jobs: list[Cell | tuple[limit.Layout, str]] = []
        for body in self._shuffled([*bodies]):
            cells = [cell for cell in self.plan.cells if cell.body == body]
            jobs += self._shuffled([*cells, *((layout, body) for layout in self.plan.layouts)])
        return jobs

    def _start(self, server: Running) -> Start:
        """Watch a server that has only just answered, then warm it up."""
        wait_until_idle(server.pid, at_most_s=_SETTLE_S)
        idle = idle_cpu_share(server.pid, self.plan.idle_seconds)
        run_wrk(self.wrk, server.port, self._probe(), _WARM_CLIENTS, _WARM_S)
        self._settle(server)
        return Start(
            round=self.number,
            server=server.spec.name,
            first_answer_s=server.first_answer_s,
            idle_cpu_share=idle,
        )

    def _cell(self, server: Running, cell: Cell) -> Sample:
        sent = self.messages[cell.form, cell.body]
        cpu_before = cpu_s(server.pid)
        load = run_wrk(self.wrk, server.port, sent, cell.clients, self.plan.seconds)
        cpu, memory = cpu_s(server.pid) - cpu_before, memory_bytes(server.pid)
        self._settle(server)
        answers = load.requests - load.non_2xx
        return Sample(
            round=self.number,
            server=server.spec.name,
            cell=cell,
            answers_per_s=answers / load.seconds,
            cpu_ms=1e3 * cpu / max(answers, 1),
            p50_ms=load.p50_ms,
            p99_ms=load.p99_ms,
            wrk_cores=load.cpu_s / load.seconds,
            server_cores=cpu / load.seconds,
            memory_mb=memory / _MIB,
            non_2xx=load.non_2xx,
            socket_errors=load.socket_errors,
        )

    def _limit(self, layout: limit.Layout, body: str) -> Sample:
        pictures = list(self.messages["raw", body].bodies)
        pace = limit.measure(REPOSITORY, pictures, layout, self.plan.seconds)
        return Sample(
            round=self.number,
            server=f"{LIMIT_PREFIX}{layout}",
            cell=limit_cell(body),
            answers_per_s=pace.images_per_s,
            cpu_ms=pace.cpu_ms_per_image,
        )

    def _settle(self, server: Running) -> None:
        if not wait_until_idle(server.pid, at_most_s=_SETTLE_S):
            print(f"{server.spec.name} is still busy after {_SETTLE_S} s", file=sys.stderr)

    def _probe(self) -> Message:
        """Give the smallest raw message there is."""
        raw = (sent for (form, _), sent in self.messages.items() if form == "raw")
        return min(raw, key=lambda sent: len(sent.bodies[0]))

    def _shuffled(self, things: Sequence[_Thing]) -> list[_Thing]:
        return self.order.sample(things, len(things))
