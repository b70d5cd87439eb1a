"""The tables hold what was measured, and mark what went wrong."""

from benchmarks.figures import limit_cell
from benchmarks.records import Machine, Record, Start
from benchmarks.tables import markdown, report
from tests.benchmarks.samples import RAW, sample

MACHINE = Machine(
    command="python -m benchmarks.serving",
    processor="a processor",
    cores=2,
    kernel="6.1",
    versions={"python": "3.11.7"},
    commits={"old": "1111111", "new": "2222222"},
)
RECORDS: list[Record] = [
    Start(round=0, server="old", first_answer_s=1.5, idle_cpu_share=0.004),
    sample("limit 2x1 b16", cell=limit_cell("png32"), answers_per_s=400, cpu_ms=1, p50_ms=0),
    sample("naive-2-async", answers_per_s=50, p50_ms=40, memory_mb=100),
    sample("old"),
    sample("new", answers_per_s=200, cpu_ms=1, p50_ms=5, p99_ms=10, memory_mb=25, non_2xx=3),
]


def rows(text: str) -> list[list[str]]:
    """Take the rows of all tables apart."""
    return [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]


def test_each_checkout_is_held_against_all_others() -> None:
    """By the limit, by the naive servers, and by the checkout that was named first."""
    found = rows(report(MACHINE, RECORDS))

    once = [
        f"{value} ({value}..{value})" for value in ("0.25", "2.00", "2.00", "2.00", "0.25", "0.50")
    ]
    assert [str(RAW), "old", *once, "-"] in found
    against = [f"{value} ({value}..{value})" for value in ("2.00", "0.50", "0.50", "0.50", "0.50")]
    assert [str(RAW), *against] in found


def test_a_cell_with_errors_is_marked() -> None:
    """An answer that is no answer must not pass for speed."""
    text = report(MACHINE, RECORDS)

    cells = next(table for table in text.split("\n\n") if table.startswith("| sent | server | ans"))
    errors = {row[1]: row[-1] for row in rows(cells)[2:]}
    assert errors == {"old": "0", "new": "**3**", "naive-2-async": "0"}


def test_the_best_layout_and_the_start_are_shown() -> None:
    """The limit in bold; idle CPU in per cent of a core."""
    text = report(MACHINE, RECORDS)

    assert "| png32 | **limit 2x1 b16** | 400 (400..400) |" in text
    assert "| old | 1.50 (1.50..1.50) | 0.40 (0.40..0.40) |" in text


def test_a_table_without_rows_is_not_drawn() -> None:
    """A run without the limit has no table of it."""
    assert markdown(("sent", "server"), []) == ""
