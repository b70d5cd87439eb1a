"""The time of a run: counted over processes, with a reserve for the last validation."""

import pytest

from training.fit.budget import Budget


class HandClock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        """Begin at a moment of no meaning."""
        self.now = 1000.0

    def __call__(self) -> float:
        """Tell the time in seconds."""
        return self.now


def test_the_last_validation_is_kept_time_for() -> None:
    """Of 100 s, 20 go to the validation: at 40 s half of the time to learn in is spent."""
    clock = HandClock()
    budget = Budget(100, clock, checked=10)
    with budget.validating():
        clock.now += 20

    clock.now += 20

    assert budget.seconds == 40
    assert budget.spent == pytest.approx(0.5)


def test_before_the_first_validation_it_is_expected_to_go_as_training_does() -> None:
    """After 90 images in 45 s, the 10 of the validation are expected to take 5.

    The first batch, which takes long, tells nothing.
    """
    clock = HandClock()
    budget = Budget(80, clock, checked=10)
    clock.now += 30
    budget.see(8)
    assert budget.spent == pytest.approx(30 / 80)

    clock.now += 45
    budget.see(90)

    assert budget.spent == pytest.approx(1)


def test_a_guess_takes_a_quarter_of_the_time_at_most() -> None:
    """A slow start is no reason to end a run that has hardly begun."""
    clock = HandClock()
    budget = Budget(100, clock, checked=1000)
    budget.see(8)

    clock.now += 15
    budget.see(8)

    assert budget.spent == pytest.approx(15 / 75)


def test_only_time_trained_counts() -> None:
    """A run goes on with the seconds of the processes before, not with those in between."""
    clock = HandClock()
    budget = Budget(100, clock, checked=10)
    clock.now += 3600

    budget.go_on(before_s=30)
    clock.now += 20

    assert budget.seconds == 50
    assert budget.spent == pytest.approx(0.5)


def test_without_a_limit_nothing_is_ever_spent() -> None:
    """A run by epochs does not look at the clock."""
    assert Budget(None, HandClock(), checked=10).spent == 0
