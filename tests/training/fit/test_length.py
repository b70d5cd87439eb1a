"""How long a run goes on: by epochs, by time, by patience."""

import pytest

from training.fit.length import Length, epochs_without_gain
from training.results.report import Calibration, EpochReport, SplitReport

CALIBRATION = Calibration(
    loss_per_layer=(1.0,), layer_weights=(1.0,), layer_weight_temperature=1.0, temperature=1.0
)


def epoch_of(number: int, loss: float, accuracy: float = 0.5) -> EpochReport:
    """Report on an epoch that validated with this loss."""
    split = SplitReport(
        n=1, loss=loss, accuracy=accuracy, per_class=(accuracy,), per_layer=(accuracy,)
    )
    return EpochReport(
        epoch=number,
        seconds=1,
        train_loss_per_layer=(loss,),
        calibration=CALIBRATION,
        validation=split,
    )


def epochs_of(*losses: float) -> list[EpochReport]:
    """Report on epochs with these validation losses."""
    return [epoch_of(number, loss) for number, loss in enumerate(losses, start=1)]


def test_by_epochs_the_number_of_steps_is_known() -> None:
    """It is a whole number from the first step on, whatever the clock says."""
    length = Length(epochs=3, steps=20)

    assert [length.total_steps(step, 0.0) for step in (0, 59)] == [60, 60]


def test_by_time_schedules_follow_the_clock() -> None:
    """Steps over the total are the part of the time that is spent, at whatever speed."""
    length = Length(epochs=0, steps=20)

    for step, spent in ((1, 0.01), (10, 0.25), (500, 0.999)):
        assert step / length.total_steps(step, spent) == pytest.approx(spent)
    assert length.total_steps(0, 0.0) == pytest.approx(1e6)
    assert length.total_steps(7, 1.5) == 7


def test_of_two_limits_the_nearer_one_counts() -> None:
    """A slow machine runs out of time, a fast one of epochs."""
    length = Length(epochs=3, steps=20)

    assert length.total_steps(10, 0.5) == pytest.approx(20)
    assert length.total_steps(10, 0.1) == 60


@pytest.mark.parametrize(
    ("length", "epoch", "spent", "told"),
    [
        (Length(3, 20), 2, 0.0, None),
        (Length(3, 20), 3, 0.0, "all 3 epochs are done"),
        (Length(0, 20), 300, 0.9, None),
        (Length(0, 20), 0, 1.0, "the time is over"),
        (Length(30, 20, patience=3), 4, 0.0, None),
        (Length(30, 20, patience=2), 4, 0.0, "2 epochs without a lower validation loss"),
    ],
)
def test_the_first_limit_that_is_reached_ends_a_run(
    length: Length, epoch: int, spent: float, told: str | None
) -> None:
    """Of four epochs the second had the least loss."""
    assert length.end(epoch, spent, epochs_of(0.9, 0.5, 0.7, 0.6)) == told


def test_patience_counts_from_the_first_of_equal_losses() -> None:
    """An equal loss is no gain; without epochs nothing is lost."""
    assert epochs_without_gain(epochs_of(0.9, 0.5, 0.5, 0.5)) == 2
    assert epochs_without_gain([]) == 0
