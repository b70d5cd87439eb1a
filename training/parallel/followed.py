"""The run's folder as the processes see it that do not lead."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from training.results.answers import RunAnswers
from training.results.best import BestEpoch
from training.results.checkpoint import Checkpoint
from training.results.log import AllLogs
from training.results.run import Run
from training.results.trained import TrainedModel
from training.settings.fit import FitSettings


class FollowedRun(Run):
    """A run that the leader keeps: here nothing is locked or written, and what is read is told.

    The folder may be on another machine; it is only named.
    """

    def __init__(self, folder: Path) -> None:
        """Name the folder, without any log."""
        super().__init__(folder)
        self.log = AllLogs(())

    def refuse_existing(self) -> None:
        """Leave it to the leader."""

    @contextmanager
    def only_writer(self) -> Iterator[None]:
        """Lock nothing: the leader holds the lock."""
        yield

    def start(self, settings: FitSettings) -> None:
        """Store nothing."""

    def change(self, settings: FitSettings) -> None:
        """Store nothing."""

    def save(self, checkpoint: Checkpoint) -> None:
        """Store nothing."""

    def save_best(self, best: BestEpoch) -> None:
        """Store nothing."""

    def load_best(self) -> BestEpoch | None:
        """Know of none: only who stores the best needs to know it."""
        return None

    def forget_best(self) -> None:
        """Remove nothing."""

    def save_answers(self, answers: RunAnswers) -> None:
        """Store nothing."""

    def save_model(self, model: TrainedModel) -> None:
        """Store nothing."""
