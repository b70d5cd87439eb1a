"""How long a run goes on, and how far along it is: by epochs, by time, by patience."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from training.results.report import EpochReport
from training.settings.sections import OptimiserSettings

# A schedule needs a number even before any time is spent.
_LEAST_SPENT = 1e-6


class Length(NamedTuple):
    """The limits of a run; the first that is reached ends it.

    Attributes:
        epochs: at most; 0 sets no limit.
        steps: of one epoch.
        patience: epochs without a lower validation loss that end it; None sets no limit.
    """

    epochs: int
    steps: int
    patience: int | None = None

    @classmethod
    def of(cls, settings: OptimiserSettings, steps: int) -> "Length":
        """Take the limits from the settings; `steps` are those of one epoch."""
        return cls(settings.epochs, steps, settings.patience)

    def total_steps(self, step: int, spent: float) -> float:
        """Say how many steps the whole run has, as far as it can be known.

        Args:
            step: steps taken so far.
            spent: the part of the run's time that is gone, 0 to 1; 0 where there is no limit.

        Returns:
            Under a limit of time the steps so far over the time spent, so that schedules follow
            the clock; with both limits, what ends the run first.
        """
        by_epochs = self.epochs * self.steps if self.epochs else math.inf
        if not spent and self.epochs:
            return by_epochs
        return min(by_epochs, max(step, 1) / min(max(spent, _LEAST_SPENT), 1.0))

    def end(self, epoch: int, spent: float, reports: Sequence[EpochReport]) -> str | None:
        """Say why a run is over; None while it is not.

        Args:
            epoch: in progress, from 0.
            spent: the part of the run's time that is gone; 0 where there is no limit.
            reports: of the epochs so far.
        """
        if self.epochs and epoch >= self.epochs:
            return f"all {self.epochs} epochs are done"
        if spent >= 1:
            return "the time is over"
        waited = epochs_without_gain(reports)
        if self.patience is not None and waited >= self.patience:
            return f"{waited} epochs without a lower validation loss"
        return None


def epochs_without_gain(reports: Sequence[EpochReport]) -> int:
    """Count the epochs since the one with the least validation loss, the first of equals."""
    if not reports:
        return 0
    losses = [report.validation.loss for report in reports]
    return len(losses) - 1 - losses.index(min(losses))
