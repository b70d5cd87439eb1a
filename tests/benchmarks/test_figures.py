"""Medians, spreads and ratios."""

import pytest

from benchmarks.figures import Results, Spread, figure_of, limit_cell, ratio, short
from benchmarks.records import Cell
from tests.benchmarks.samples import RAW, sample


def test_a_spread_is_median_lowest_and_highest() -> None:
    """What was not measured is left out."""
    assert Spread.of([3, None, 1, 2]) == Spread(2, 1, 3)
    assert Spread.of([None]) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [(1204.4, "1204"), (99.6, "100"), (43.21, "43.2"), (9.97, "10.0"), (0, "0.00")],
)
def test_numbers_have_about_three_figures(value: float, text: str) -> None:
    """More would claim what five rounds cannot know."""
    assert short(value) == text


def test_ratios_are_taken_round_by_round() -> None:
    """A round in which the machine was half as fast for both leaves the ratio as it was."""
    ours = [sample("ours", 0, answers_per_s=200), sample("ours", 1, answers_per_s=100)]
    others = [sample("naive", 0, answers_per_s=100), sample("naive", 1, answers_per_s=50)]
    results = Results([*ours, *others])

    found = ratio(results.rounds("ours", RAW), results.rounds("naive", RAW), "answers_per_s")

    assert found == Spread(2, 2, 2)


def test_a_round_that_one_of_two_lacks_is_left_out() -> None:
    """So is a figure that was not taken."""
    results = Results([sample("ours", 0), sample("ours", 1), sample("naive", 1, cpu_ms=4)])
    pair = results.rounds("ours", RAW), results.rounds("naive", RAW)

    assert ratio(*pair, "cpu_ms") == Spread(0.5, 0.5, 0.5)
    assert ratio(*pair, "wrk_cores") is None
    assert ratio(results.rounds("ours", RAW), results.rounds(None, RAW), "cpu_ms") is None


def test_the_limit_is_the_layout_with_the_highest_median() -> None:
    """One lucky round does not make a layout the best."""
    cell = limit_cell("png32")
    steady = [
        sample("limit 2x1 b16", n, cell, answers_per_s=rate) for n, rate in enumerate((9, 9, 9))
    ]
    lucky = [
        sample("limit 2x1 b64", n, cell, answers_per_s=rate) for n, rate in enumerate((8, 8, 20))
    ]

    assert Results([*lucky, *steady]).limit("png32") == "limit 2x1 b16"
    assert Results([*lucky, *steady]).limit("jpg224") is None


def test_the_best_naive_server_is_found_per_cell() -> None:
    """By rate or by latency, among all or among those of some workers."""
    results = Results(
        [
            sample("naive-1-sync", answers_per_s=90, p50_ms=5),
            sample("naive-2-sync", answers_per_s=80, p50_ms=9),
            sample("naive-2-async", answers_per_s=70, p50_ms=8),
            sample("ours", answers_per_s=200, p50_ms=1),
        ]
    )

    assert results.best_naive(RAW) == "naive-1-sync"
    assert results.best_naive(RAW, "naive-2-") == "naive-2-sync"
    assert results.quickest_naive(RAW) == "naive-1-sync"
    assert results.best_naive(Cell(form="raw", body="png32", clients=1)) is None


def test_a_figure_is_taken_over_all_rounds() -> None:
    """Of a cell that nobody measured there is none."""
    results = Results([sample("ours", 0, cpu_ms=1), sample("ours", 1, cpu_ms=3)])

    assert figure_of(results.rounds("ours", RAW), "cpu_ms") == Spread(2, 1, 3)
    assert figure_of(results.rounds("naive", RAW), "cpu_ms") is None
