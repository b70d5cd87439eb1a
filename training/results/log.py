"""The log of a run: a port for whoever keeps it, and the file of JSON lines that every run has."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from model.artifact.files import write_atomically
from training.results.report import EpochReport, SplitReport
from training.settings.fit import FitSettings


class RunLog(Protocol):
    """Keeps what happens in a run."""

    def begin(self, settings: FitSettings, epochs: Sequence[EpochReport]) -> None:
        """Hold these epochs and no others: none of a new run, the checkpoint's of a resumed one."""

    def epoch(self, report: EpochReport) -> None:
        """Add an epoch."""

    def test(self, report: SplitReport) -> None:
        """Add the one look at the test split, which ends the run."""


class JsonLines:
    """One JSON object a line; a reader may follow the file with `tail -f`."""

    def __init__(self, path: Path) -> None:
        """Name the file; nothing is written yet."""
        self._path = path

    def begin(self, _: FitSettings, epochs: Sequence[EpochReport]) -> None:
        """Cut the log back to what the checkpoint knows, so that no epoch stands there twice."""
        write_atomically(self._path, "".join(_line("epoch", each) for each in epochs).encode())

    def epoch(self, report: EpochReport) -> None:
        """Append an epoch."""
        self._append(_line("epoch", report))

    def test(self, report: SplitReport) -> None:
        """Append the one look at the test split."""
        self._append(_line("test", report))

    def _append(self, line: str) -> None:
        with self._path.open("a") as file:
            file.write(line)


class AllLogs:
    """Tells several logs the same, in their order."""

    def __init__(self, logs: Sequence[RunLog]) -> None:
        """Name the logs."""
        self._logs = tuple(logs)

    def begin(self, settings: FitSettings, epochs: Sequence[EpochReport]) -> None:
        """Have every log hold these epochs and no others."""
        for log in self._logs:
            log.begin(settings, epochs)

    def epoch(self, report: EpochReport) -> None:
        """Add an epoch to every log."""
        for log in self._logs:
            log.epoch(report)

    def test(self, report: SplitReport) -> None:
        """Add the one look at the test split to every log."""
        for log in self._logs:
            log.test(report)


def _line(event: str, report: EpochReport | SplitReport) -> str:
    return json.dumps({"event": event, **report.model_dump(mode="json")}, allow_nan=False) + "\n"
