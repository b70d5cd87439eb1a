"""The log of a run: one JSON object a line."""

import json
from collections.abc import Iterable
from pathlib import Path

from model.artifact.files import write_atomically
from training.results.report import EpochReport, SplitReport


class RunLog:
    """Appends what happens to a file; a reader may follow it with `tail -f`."""

    def __init__(self, path: Path) -> None:
        """Name the file; nothing is written yet."""
        self._path = path

    def clear(self) -> None:
        """Begin anew."""
        self._path.unlink(missing_ok=True)

    def rewrite(self, epochs: Iterable[EpochReport]) -> None:
        """Cut the log back to what the checkpoint knows, so that no epoch stands there twice."""
        write_atomically(self._path, "".join(_epoch(each) for each in epochs).encode())

    def epoch(self, report: EpochReport) -> None:
        """Append an epoch."""
        self._append(_epoch(report))

    def test(self, report: SplitReport) -> None:
        """Append the one look at the test split."""
        self._append(_line("test", report))

    def _append(self, line: str) -> None:
        with self._path.open("a") as file:
            file.write(line)


def _epoch(report: EpochReport) -> str:
    return _line("epoch", report)


def _line(event: str, report: EpochReport | SplitReport) -> str:
    return json.dumps({"event": event, **report.model_dump(mode="json")}, allow_nan=False) + "\n"
