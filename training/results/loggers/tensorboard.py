"""Runs as TensorBoard shows them: event files in the run's folder."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from training.results.loggers.scalars import (
    TEST_ACCURACY,
    end_scalars,
    epoch_scalars,
    hyperparameters,
)
from training.results.report import EpochReport, SplitReport
from training.settings.fit import FitSettings


class TensorBoardLog:
    """Writes one event file; a resumed run writes it anew, so that no epoch stands there twice."""

    def __init__(self, run: Path) -> None:
        """Name the run's folder; nothing is written yet."""
        self._folder = run / "tensorboard"
        self._writer: SummaryWriter | None = None
        self._last = 0

    def begin(self, settings: FitSettings, epochs: Sequence[EpochReport]) -> None:
        """Write settings and epochs."""
        self._close()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._writer = SummaryWriter(str(self._folder))
        # `add_hparams` would open a second folder for them, which is shown as another run.
        parts = hparams(hyperparameters(settings), {TEST_ACCURACY: 0.0})  # type: ignore[no-untyped-call]
        for part in parts:
            self._writer.file_writer.add_summary(part)  # type: ignore[attr-defined]
        for report in epochs:
            self.epoch(report)

    def epoch(self, report: EpochReport) -> None:
        """Write an epoch, at once."""
        self._last = report.epoch
        self._add(epoch_scalars(report))

    def test(self, report: SplitReport) -> None:
        """Write the end, and close the file."""
        self._add(end_scalars(report))
        self._close()

    def _add(self, scalars: Mapping[str, float]) -> None:
        if self._writer is not None:
            for name, value in scalars.items():
                self._writer.add_scalar(name, value, self._last)
            self._writer.flush()

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer = None
