"""From samples to figures: medians, their spread, and ratios taken round by round."""

import statistics
from collections.abc import Callable, Iterable, Mapping
from typing import Literal, NamedTuple, Self

from benchmarks.records import LIMIT_PREFIX, NAIVE_PREFIX, Cell, Sample

Rounds = Mapping[int, Sample]
Figure = Literal["answers_per_s", "cpu_ms", "p50_ms", "p99_ms", "memory_mb", "wrk_cores"]

_HUNDREDS, _TENS = 99.5, 9.95


class Spread(NamedTuple):
    """A median, and between which values it lies."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float | None]) -> Self | None:
        """Take the median of what is there; None of nothing."""
        found = [value for value in values if value is not None]
        return cls(statistics.median(found), min(found), max(found)) if found else None

    def __str__(self) -> str:
        """Write `1204 (1180..1211)`."""
        return f"{short(self.median)} ({short(self.low)}..{short(self.high)})"


def short(value: float) -> str:
    """Write a number with about three figures."""
    digits = 0 if value >= _HUNDREDS else 1 if value >= _TENS else 2
    return f"{value:.{digits}f}"


def figure_of(rounds: Rounds, figure: Figure) -> Spread | None:
    """Take the median of one figure over the rounds; None where there are none."""
    return Spread.of(getattr(sample, figure) for sample in rounds.values())


def ratio(top: Rounds, bottom: Rounds, figure: Figure) -> Spread | None:
    """Divide a figure of two servers, round by round: what both suffered falls out."""
    pairs = [
        (getattr(top[number], figure), getattr(bottom[number], figure))
        for number in sorted(top.keys() & bottom.keys())
    ]
    return Spread.of(above / below for above, below in pairs if above is not None and below)


class Results:
    """The samples of a run, by server and cell."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        """Sort the samples; order of first appearance is kept."""
        self._rounds: dict[tuple[str, Cell], dict[int, Sample]] = {}
        for sample in samples:
            self._rounds.setdefault((sample.server, sample.cell), {})[sample.round] = sample

    def measured(self) -> list[tuple[str, Cell]]:
        """List servers and cells: the cells in order, their servers together."""
        return sorted(self._rounds, key=lambda key: (_order(key[1]), key[0]))

    def rounds(self, server: str | None, cell: Cell) -> Rounds:
        """Give a server's samples of one cell by round; none of no server."""
        return self._rounds.get((server, cell), {}) if server else {}

    def limit(self, body: str) -> str | None:
        """Name the layout that has the highest median rate with one kind of picture."""
        return self._best(LIMIT_PREFIX, limit_cell(body), _negative_rate)

    def best_naive(self, cell: Cell, prefix: str = NAIVE_PREFIX) -> str | None:
        """Name the naive server that has the highest median rate in a cell."""
        return self._best(prefix, cell, _negative_rate)

    def quickest_naive(self, cell: Cell) -> str | None:
        """Name the naive server that has the lowest median latency in a cell."""
        return self._best(NAIVE_PREFIX, cell, lambda sample: sample.p50_ms or 0)

    def _best(self, prefix: str, cell: Cell, cost: Callable[[Sample], float]) -> str | None:
        names = [server for server, at in self._rounds if at == cell and server.startswith(prefix)]

        def median_cost(name: str) -> float:
            return statistics.median(map(cost, self.rounds(name, cell).values()))

        return min(names, key=median_cost, default=None)


def limit_cell(body: str) -> Cell:
    """Give the cell under which the limit is filed: raw pictures, sent by nobody."""
    return Cell(form="raw", body=body, clients=0)


def _negative_rate(sample: Sample) -> float:
    return -sample.answers_per_s


def _order(cell: Cell) -> tuple[str, str, int]:
    return cell.body, cell.form, cell.clients
