"""The folder of a run, and its files."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from model.artifact.files import sweep_aside, write_atomically
from training.errors import CheckpointError
from training.results.answers import RunAnswers
from training.results.best import BestEpoch
from training.results.checkpoint import Checkpoint
from training.results.lock import only_writer
from training.results.log import AllLogs, JsonLines, RunLog
from training.results.stored import FORMAT, check_format
from training.results.trained import TrainedModel, load_trained, save_trained
from training.settings.fit import FitSettings
from training.settings.former import as_of_today
from training.settings.initial import MODEL_FILE, REPORT_FILE, SETTINGS_FILE
from training.settings.load import describe


class Run:
    """One run's folder.

    settings.json   what the run was started with
    log.jsonl       a line for each epoch, and one for the test
    checkpoint.pt   where to go on
    best.pt         the weights of the epoch that validated best
    answers.npz     what the network says of every validation and test image
    report.json     what came of it
    model.pt        the trained network; it is there when the run is finished
    report.html     all of this to look at
    """

    def __init__(self, folder: Path, logs: Sequence[RunLog] = ()) -> None:
        """Name the folder, and the logs to keep beside its own; nothing is read or written yet."""
        self.folder = folder
        self.log: RunLog = AllLogs([JsonLines(folder / "log.jsonl"), *logs])
        self._settings = folder / SETTINGS_FILE
        self._checkpoint = folder / "checkpoint.pt"
        self._best = folder / "best.pt"
        self._answers = folder / "answers.npz"
        self._report = folder / REPORT_FILE
        self._model = folder / MODEL_FILE

    def refuse_existing(self) -> None:
        """Make sure that starting here would overwrite nothing, and that it can be written here.

        Raises:
            CheckpointError: a run is there already, or no folder can be made.
        """
        if self.is_started():
            message = f"{self.folder} holds a run already; add --resume or name another folder"
            raise CheckpointError(message)
        above = (self.folder, *self.folder.absolute().parents)
        there = next(path for path in above if path.exists())
        if not there.is_dir():
            message = f"a run cannot be written to {self.folder}: {there} is not a folder"
            raise CheckpointError(message)
        if not os.access(there, os.W_OK | os.X_OK):
            message = f"a run cannot be written to {self.folder}: {there} may not be written to"
            raise CheckpointError(message)

    @contextmanager
    def only_writer(self) -> Iterator[None]:
        """Keep other writers out for a while; the folder is made if it is not there.

        What a killed writer left half written is removed.

        Raises:
            CheckpointError: another one is writing there, or the folder cannot be made.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"a run cannot be written to {self.folder}: {error.strerror}"
            raise CheckpointError(message) from error
        with only_writer(self.folder):
            files = (self._settings, self._checkpoint, self._best, self._answers, self._report)
            for path in (*files, self._model):
                sweep_aside(path)
            yield

    def start(self, settings: FitSettings) -> None:
        """Store the settings; to be called by the only writer.

        Raises:
            CheckpointError: a run is there already.
        """
        # Asked again under the lock: another start may have been quicker since the first time.
        self.refuse_existing()
        # Before the settings: a folder in which a log could not begin holds no run.
        self.log.begin(settings, ())
        self._store(settings)

    def change(self, settings: FitSettings) -> None:
        """Store other settings, under which the run is not finished; for the only writer."""
        # First: a run killed in between is finished again as it was, or goes on.
        self._model.unlink(missing_ok=True)
        self._store(settings)

    def settings(self) -> FitSettings:
        """Read the settings the run began with.

        Raises:
            CheckpointError: there is no run, it is of another format, or damaged.
        """
        try:
            content = json.loads(self._settings.read_bytes())
            if "data" in content:  # where format 1 had its settings
                check_format(self.folder, 1)
            check_format(self.folder, content["format"])
            settings = as_of_today(content["settings"], content["format"])
            return FitSettings.model_validate_json(json.dumps(settings))
        except OSError as error:
            message = f"{self.folder} holds no run to read: {error.strerror}"
            raise CheckpointError(message) from error
        except (ValueError, KeyError, TypeError) as error:
            reason = (
                describe(error) if isinstance(error, ValidationError) else "it is cut or changed"
            )
            message = f"{self._settings} is damaged: {reason}"
            raise CheckpointError(message) from error

    def changed_since(self, path: Path) -> bool:
        """Tell whether the run has learned more since a file was written; true if it is not."""
        if not path.exists():
            return True
        files = (self._checkpoint, self._best, self._model)
        written = [file.stat().st_mtime_ns for file in files if file.exists()]
        return any(time > path.stat().st_mtime_ns for time in written)

    def is_started(self) -> bool:
        """Tell whether there is anything of a run."""
        return any(path.exists() for path in (self._settings, self._checkpoint, self._model))

    def is_finished(self) -> bool:
        """Tell whether training came to its end."""
        return self._model.exists()

    def save(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint, atomically."""
        checkpoint.save(self._checkpoint)

    def load(self) -> Checkpoint | None:
        """Read the last checkpoint; None where the run stopped before its first.

        Raises:
            CheckpointError: it is damaged, or of another format.
        """
        return Checkpoint.load(self._checkpoint) if self._checkpoint.exists() else None

    def save_best(self, best: BestEpoch) -> None:
        """Replace the best epoch, atomically."""
        best.save(self._best)

    def load_best(self) -> BestEpoch | None:
        """Read the best epoch so far; None before the first one's end.

        Raises:
            CheckpointError: it is damaged, or of another format.
        """
        return BestEpoch.load(self._best) if self._best.exists() else None

    def forget_best(self) -> None:
        """Remove the best epoch: the run begins again."""
        self._best.unlink(missing_ok=True)

    def save_answers(self, answers: RunAnswers) -> None:
        """Store what the trained network says, before the model: a finished run has both."""
        answers.save(self._answers)

    def load_answers(self) -> RunAnswers | None:
        """Read what the trained network says; None in a run of an earlier version.

        Raises:
            CheckpointError: the file is damaged, or of another format.
        """
        return RunAnswers.load(self._answers) if self._answers.exists() else None

    def save_page(self, page: str) -> Path:
        """Replace the report to look at; give its path."""
        path = self.folder / "report.html"
        write_atomically(path, page.encode())
        return path

    def save_model(self, model: TrainedModel) -> None:
        """Store the trained model: the run is then finished."""
        save_trained(model, self._model, self._report)

    def load_model(self) -> TrainedModel:
        """Read the trained model.

        Raises:
            CheckpointError: training has not come to its end, or a file is damaged.
        """
        if not self.is_finished():
            message = (
                f"{self.folder} holds no trained model yet; finish it with fit --resume, or "
                "export what it has learned so far"
            )
            raise CheckpointError(message)
        return load_trained(self._model, self._report)

    def _store(self, settings: FitSettings) -> None:
        content = {"format": FORMAT, "settings": settings.model_dump(mode="json")}
        write_atomically(self._settings, json.dumps(content, indent=2).encode() + b"\n")
