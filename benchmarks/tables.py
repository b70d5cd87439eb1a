"""The tables that a run prints, in Markdown."""

from collections.abc import Iterable, Sequence

from benchmarks.figures import Figure, Results, Rounds, Spread, figure_of, limit_cell, ratio
from benchmarks.records import LIMIT_PREFIX, NAIVE_PREFIX, Cell, Machine, Record, Sample, Start

_CELL_FIGURES: dict[str, Figure] = {
    "answers/s": "answers_per_s",
    "CPU ms": "cpu_ms",
    "p50 ms": "p50_ms",
    "p99 ms": "p99_ms",
    "memory MB": "memory_mb",
    "wrk cores": "wrk_cores",
}


def report(machine: Machine, records: Sequence[Record]) -> str:
    """Write everything that a run found out."""
    results = Results(record for record in records if isinstance(record, Sample))
    starts = [record for record in records if isinstance(record, Start)]
    old, *newer = machine.commits
    parts = [
        _machine(machine),
        _limit(results),
        _cells(results),
        _starts(starts),
        _ratios(results, machine),
        *(_comparison(results, old, new) for new in newer),
    ]
    return "\n\n".join(part for part in parts if part)


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay out a table; nothing where it has no rows."""
    body = [*rows]
    lines = [heads, ["---"] * len(heads), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) if body else ""


def _machine(machine: Machine) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in machine.versions.items())
    commits = ", ".join(f"{label} {commit}" for label, commit in machine.commits.items())
    return (
        f"`{machine.command}`\n\n{machine.cores} cores of {machine.processor}, "
        f"Linux {machine.kernel}; {versions}; commits: {commits}. Medians, and in brackets lowest "
        "to highest over the rounds; CPU is user and system of all the server's processes."
    )


def _limit(results: Results) -> str:
    rows = []
    for server, cell in results.measured():
        if server.startswith(LIMIT_PREFIX):
            rounds = results.rounds(server, cell)
            name = f"**{server}**" if server == results.limit(cell.body) else server
            figures = figure_of(rounds, "answers_per_s"), figure_of(rounds, "cpu_ms")
            rows.append([cell.body, name, *map(_text, figures)])
    return markdown(("pictures", "in process", "images/s", "CPU ms"), rows)


def _cells(results: Results) -> str:
    rows = [
        _cell_row(server, cell, results.rounds(server, cell))
        for server, cell in results.measured()
        if not server.startswith(LIMIT_PREFIX)
    ]
    return markdown(("sent", "server", *_CELL_FIGURES, "errors"), rows)


def _cell_row(server: str, cell: Cell, rounds: Rounds) -> list[str]:
    figures = [figure_of(rounds, figure) for figure in _CELL_FIGURES.values()]
    errors = sum(sample.non_2xx + sample.socket_errors for sample in rounds.values())
    return [str(cell), server, *map(_text, figures), f"**{errors}**" if errors else "0"]


def _starts(starts: Sequence[Start]) -> str:
    rows = []
    for server in dict.fromkeys(start.server for start in starts):
        of_server = [start for start in starts if start.server == server]
        first = Spread.of(start.first_answer_s for start in of_server)
        idle = Spread.of(100 * start.idle_cpu_share for start in of_server)
        rows.append([server, _text(first), _text(idle)])
    return markdown(("server", "first answer s", "idle CPU, % of a core"), rows)


def _ratios(results: Results, machine: Machine) -> str:
    """Hold our checkouts against the limit, the naive servers and their own raw form."""
    many = f"{NAIVE_PREFIX}{machine.cores}"
    heads = (
        "sent", "server", "rate / limit", "CPU / limit", f"rate / {many}", "rate / best naive",
        "p50 / quickest naive", f"memory / {many}", "CPU / raw",
    )  # fmt: skip
    rows = [
        _ratio_row(results, server, cell, f"{many}-")
        for server, cell in results.measured()
        if server in machine.commits
    ]
    return markdown(heads, rows)


def _ratio_row(results: Results, server: str, cell: Cell, many: str) -> list[str]:
    raw = cell.model_copy(update={"form": "raw"})  # the others take no other form
    measured = results.rounds(server, cell)
    limit = results.rounds(results.limit(cell.body), limit_cell(cell.body))
    as_many = results.rounds(results.best_naive(raw, many), raw)
    ratios = (
        ratio(measured, limit, "answers_per_s"),
        ratio(measured, limit, "cpu_ms"),
        ratio(measured, as_many, "answers_per_s"),
        ratio(measured, results.rounds(results.best_naive(raw), raw), "answers_per_s"),
        ratio(measured, results.rounds(results.quickest_naive(raw), raw), "p50_ms"),
        ratio(measured, as_many, "memory_mb"),
        ratio(measured, results.rounds(server, raw), "cpu_ms") if cell != raw else None,
    )
    return [str(cell), server, *map(_text, ratios)]


def _comparison(results: Results, old: str, new: str) -> str:
    """Divide the newer checkout's figures by the older one's, cell by cell."""
    figures: tuple[Figure, ...] = ("answers_per_s", "cpu_ms", "p50_ms", "p99_ms", "memory_mb")
    rows = []
    for server, cell in results.measured():
        if server == new:
            pair = results.rounds(new, cell), results.rounds(old, cell)
            rows.append([str(cell), *(_text(ratio(*pair, figure)) for figure in figures)])
    return markdown((f"{new} / {old}", "rate", "CPU", "p50", "p99", "memory"), rows)


def _text(spread: Spread | None) -> str:
    return "-" if spread is None else str(spread)
