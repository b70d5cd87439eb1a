"""The table and the plot of a comparison."""

import pytest

from tests.training.compare.settings import fit_settings
from training.compare.plot import draw
from training.compare.result import Comparison, Cost, Machine, VariantResult, table

MACHINE = Machine(
    processor="a processor", cores=2, gpu=None, versions={"torch": "2"}, load=(0.1, 2.0)
)
COST = Cost(seconds_per_step=0.5, images_per_s=16, peak_bytes=300_000_000, before_bytes=200_000_000)


def row(name: str, test: float, cost: Cost | None = COST) -> VariantResult:
    """Make a row."""
    return VariantResult(
        name=name,
        learning_rate=0.008,
        epochs=(0.5,),
        validation=0.5,
        n_validation=10,
        test=test,
        n_test=20,
        parameters=1234,
        cost=cost,
    )


def test_rows_are_held_against_the_first() -> None:
    """In points of test accuracy; what had no training of its own has no cost."""
    rows = (row("full", 0.5), row("uniform", 0.45, cost=None))
    found = Comparison(settings=fit_settings(), rows=rows, left_out={"x": "why"}, machine=MACHINE)

    lines = list(table(found))

    assert "2 cores of a processor, torch 2; load 0.1 before, 2.0 after" in lines[0]
    assert "| full | 50.00% | 50.00% | +0.00 | 0.500 | 16 | 300 | 1,234 | 0.008 |" in lines
    assert "| uniform | 50.00% | 45.00% | -5.00 | | | | 1,234 | 0.008 |" in lines
    assert lines[-1].strip() == "x: left out, why"
    assert Comparison.model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize("tests", [(0.5, 0.5), (0.0, 1.0), (0.87,)])
def test_a_plot_holds_every_row(tests: tuple[float, ...]) -> None:
    """Whatever the spread; a name's own signs do no harm."""
    drawn = draw([row(f"a < b {number}", test) for number, test in enumerate(tests)])

    assert drawn.count("<circle") == 2 * len(tests)
    assert "a &lt; b 0" in drawn
