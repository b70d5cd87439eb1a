"""The learning rate over a run."""

import itertools

import pytest

from training.fit.optimiser import layer_moment, learning_rate
from training.objective.objective import Moment
from training.settings.sections import OptimiserSettings


def test_the_rate_rises_for_a_fifth_and_falls_to_zero() -> None:
    """The learning rate peaks after a fifth of the steps and ends near zero."""
    rates = [learning_rate(OptimiserSettings(), Moment(step, 100)) for step in range(100)]

    assert rates[19] == pytest.approx(max(rates)) == pytest.approx(0.008)
    assert rates == sorted(rates[:20]) + sorted(rates[20:], reverse=True)
    assert rates[-1] == pytest.approx(0.008 / 80)


def test_a_cosine_falls_to_its_final_rate() -> None:
    """Half way it stands between peak and final rate, and it falls slowly at both ends."""
    settings = OptimiserSettings(
        learning_rate=1.0, warmup_fraction=0, schedule="cosine", final_rate=0.1
    )

    rates = [learning_rate(settings, Moment(step, 100)) for step in range(100)]

    assert rates[0] == 1.0
    assert rates[50] == pytest.approx(0.55)
    assert rates[-1] == pytest.approx(0.1, abs=1e-3)
    falls = [one - next_ for one, next_ in itertools.pairwise(rates)]
    assert falls[0] < falls[50] > falls[-1] > 0


def test_a_rate_that_rises_first_peaks_once_whatever_its_schedule() -> None:
    """The rise is linear, and the cosine begins where it ends."""
    settings = OptimiserSettings(
        learning_rate=1.0, warmup_fraction=0.2, schedule="cosine", final_rate=0.5
    )

    rates = [learning_rate(settings, Moment(step, 100)) for step in range(100)]

    assert rates[:20] == pytest.approx([(step + 1) / 20 for step in range(20)])
    assert rates[20:] == sorted(rates[20:], reverse=True)


def test_without_a_warm_up_the_first_rate_is_the_peak() -> None:
    """A fraction of 0 divides nothing by zero."""
    assert learning_rate(OptimiserSettings(warmup_fraction=0), Moment(0, 7)) == 0.008


def test_a_layer_learns_in_its_part_of_the_run_alone() -> None:
    """A layer that stops after a quarter rises and falls within it; one not named to the end."""
    settings = OptimiserSettings(freeze_after=(0.25,), warmup_fraction=0.2)

    moments = [layer_moment(settings, 0, Moment(step, 100)) for step in range(100)]
    later = layer_moment(settings, 1, Moment(99, 100))

    rates = [learning_rate(settings, own) for own in moments if own is not None]
    assert len(rates) == 25
    assert rates[4] == pytest.approx(max(rates)) == pytest.approx(0.008)
    assert rates[-1] < 0.001
    assert later == Moment(99, 100)
