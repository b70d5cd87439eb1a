"""Runs as MLflow shows them: in the run's folder, or where `MLFLOW_TRACKING_URI` says.

A resumed run goes on with its MLflow run, whose id is kept in the run's folder.
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from model.artifact.files import write_atomically
from training.errors import ConfigError
from training.results.loggers.scalars import end_scalars, epoch_scalars, hyperparameters
from training.results.report import EpochReport, SplitReport
from training.settings.fit import FitSettings

_EXPERIMENT = "goodserve"
_PROBE = "validation_accuracy/network"


class MlflowLog:
    """Keeps one run of the experiment `goodserve`."""

    def __init__(self, run: Path) -> None:
        """Name the run's folder; nothing is written yet."""
        self._run = run
        self._id_file = run / "mlflow_run.txt"
        self._client: MlflowClient | None = None
        self._id = ""
        self._last = 0

    def begin(self, settings: FitSettings, epochs: Sequence[EpochReport]) -> None:
        """Find the run or make it, and add the epochs that it lacks.

        Raises:
            ConfigError: the tracking server does not answer, or refuses.
        """
        with _said_in_our_words():
            known = self._open(settings, anew=not epochs)
        for report in epochs:
            if report.epoch not in known:
                self.epoch(report)
        self._last = len(epochs)

    def epoch(self, report: EpochReport) -> None:
        """Add an epoch."""
        self._last = report.epoch
        self._add(epoch_scalars(report))

    def test(self, report: SplitReport) -> None:
        """Add the end."""
        self._add(end_scalars(report))
        if self._client is not None:
            with _said_in_our_words():
                self._client.set_terminated(self._id)

    def _open(self, settings: FitSettings, *, anew: bool) -> set[int]:
        """Connect; give the epochs that the run has already."""
        database = f"sqlite:///{self._run.resolve() / 'mlflow.db'}"
        address = os.environ.get("MLFLOW_TRACKING_URI", database)
        self._client = client = MlflowClient(tracking_uri=address)
        if self._id_file.exists() and not anew:
            self._id = self._id_file.read_text().strip()
            return {metric.step for metric in client.get_metric_history(self._id, _PROBE)}
        found = client.get_experiment_by_name(_EXPERIMENT)
        experiment = found.experiment_id if found else client.create_experiment(_EXPERIMENT)
        self._id = client.create_run(experiment, run_name=self._run.name).info.run_id
        params = [Param(name, str(value)) for name, value in hyperparameters(settings).items()]
        client.log_batch(self._id, params=params)
        write_atomically(self._id_file, self._id.encode())
        return set()

    def _add(self, scalars: Mapping[str, float]) -> None:
        if self._client is not None:
            now = int(1000 * time.time())
            metrics = [Metric(name, value, now, self._last) for name, value in scalars.items()]
            with _said_in_our_words():
                self._client.log_batch(self._id, metrics=metrics)


@contextmanager
def _said_in_our_words() -> Iterator[None]:
    try:
        yield
    except MlflowException as error:
        message = (
            f"MLflow cannot keep this run: {str(error).partition(chr(10))[0]}; check "
            "MLFLOW_TRACKING_URI, or go on without --log mlflow"
        )
        raise ConfigError(message) from error
