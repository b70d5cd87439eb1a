"""A whole training run: epochs, validation, checkpoints; the test split once, at the end."""

import math
import time

import torch

from training.data.augment import crop_and_flip
from training.data.dataset import Dataset, Split
from training.data.split import split_validation
from training.errors import CheckpointError, DataError, DivergenceError
from training.fit.build import build_network
from training.fit.calibration import calibrate
from training.fit.chance import chance
from training.fit.position import Position
from training.fit.progress import Progress
from training.fit.step import LocalUpdate
from training.fit.stop import Interrupted, StopRequest, stop_on_signals
from training.objective.objective import Moment, Objective
from training.results.checkpoint import Checkpoint
from training.results.measure import layer_reports, read_goodness, report_on
from training.results.report import Calibration, EpochReport, Report, SplitReport
from training.results.run import Run
from training.results.table import epoch_line
from training.results.trained import TrainedModel
from training.settings.fit import FitSettings


class Trainer:
    """Holds one run's network, data and place in time."""

    def __init__(
        self,
        settings: FitSettings,
        dataset: Dataset,
        run: Run,
        progress: Progress,
        objective: Objective,
    ) -> None:
        """Split the data and draw the initial weights.

        Raises:
            TrainingError: the data are too few, or no network has the shape asked for.
        """
        seed = settings.run.seed
        self._settings = settings
        self._dataset = dataset
        self._run = run
        self._progress = progress
        self._device = torch.device(settings.run.device)
        self._fingerprint = dataset.fingerprint()
        fraction = settings.data.validation_fraction
        self._train, self._validation = split_validation(dataset.train, fraction, seed)
        network = build_network(settings.network, self._train.images, len(dataset.labels), seed).to(
            self._device
        )
        self._network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._update = LocalUpdate(
            self._network, settings.optimiser, objective, settings.run.precision
        )
        self._epochs: tuple[EpochReport, ...] = ()
        self._position = self._epoch_start(0)
        # Whole batches: the images left over differ from epoch to epoch.
        self._steps = len(self._train) // settings.optimiser.batch_size
        if self._steps == 0:
            message = (
                f"{len(self._train)} images to learn from are less than a batch of "
                f"{settings.optimiser.batch_size}; lower batch_size"
            )
            raise DataError(message)

    def restore(self, checkpoint: Checkpoint | None) -> None:
        """Go back to a checkpoint; None begins anew.

        Raises:
            CheckpointError: the data have changed since the run began, or the checkpoint is
                of another network.
        """
        if checkpoint is not None:
            if checkpoint.fingerprint != self._fingerprint:
                message = (
                    f"{self._settings.data.source} has changed since the run began "
                    f"(sha256 {self._fingerprint[:12]}, was {checkpoint.fingerprint[:12]})"
                )
                raise CheckpointError(message)
            try:
                self._network.load_state_dict(checkpoint.network, strict=True)
                self._update.load_state_dict(checkpoint.optimizers)
            except (KeyError, RuntimeError, ValueError) as error:
                message = f"the checkpoint in {self._run.folder} is not of this run's network"
                raise CheckpointError(message) from error
            self._epochs = checkpoint.epochs
            loss_sum = checkpoint.loss_sum.to(self._device)
            self._position = Position(checkpoint.epoch, checkpoint.step, loss_sum)
        self._run.log.rewrite(self._epochs)

    def train(self) -> TrainedModel:
        """Go through the epochs that are left, then calibrate and test.

        Raises:
            Interrupted: SIGINT or SIGTERM came; the checkpoint holds the step it came at.
            DivergenceError: a loss is no number any more; the last checkpoint is as it was.
        """
        with stop_on_signals() as stop:
            for _ in range(self._position.epoch, self._settings.optimiser.epochs):
                started = time.monotonic()
                self._train_epoch(stop)
                report = self._epoch_report(started)
                self._epochs = (*self._epochs, report)
                self._position = self._epoch_start(self._position.epoch + 1)
                # The checkpoint before the log: a run killed in between logs the epoch again.
                self._save()
                self._run.log.epoch(report)
                if stop.is_set:
                    message = f"stopped after epoch {report.epoch}"
                    raise Interrupted(message)
        return self._finish()

    def _epoch_start(self, epoch: int) -> Position:
        return Position.start(epoch, len(self._network.layers()), self._device)

    def _train_epoch(self, stop: StopRequest) -> None:
        self._network.train()
        self._progress.begin(self._position, self._steps, self._settings.optimiser.epochs)
        try:
            self._take_steps(stop)
        finally:
            self._progress.end()

    def _take_steps(self, stop: StopRequest) -> None:
        """Take the steps that are left of the epoch; store the place if asked to stop."""
        epoch, batch_size = self._position.epoch, self._settings.optimiser.batch_size
        total = self._steps * self._settings.optimiser.epochs
        generator = chance(self._settings.run.seed, epoch)
        order = torch.randperm(len(self._train), generator=generator)
        batches = order[: self._steps * batch_size].view(self._steps, -1)
        for step in range(self._position.step, self._steps):
            batch = self._augmented(self._train.take(batches[step]), epoch, step)
            at = Moment(epoch * self._steps + step, total)
            losses = self._update.step(batch.images, batch.labels, at)
            self._position = self._position.after(losses)
            self._progress.step(self._position)
            if stop.is_set:
                self._save()
                message = f"stopped at epoch {epoch + 1}, step {step + 1}"
                raise Interrupted(message)

    def _augmented(self, batch: Split, epoch: int, step: int) -> Split:
        data = self._settings.data
        flip = self._dataset.may_flip if data.flip is None else data.flip
        generator = chance(self._settings.run.seed, epoch, step)
        images = crop_and_flip(batch.images, data.crop_padding, flip, generator)
        return Split(images, batch.labels).to(self._device)

    def _epoch_report(self, started: float) -> EpochReport:
        """Read the validation split; refuse an epoch in which a layer diverged."""
        _refuse_divergence(self._position)
        seconds = time.monotonic() - started
        calibration, validation = self._calibrate()
        report = EpochReport(
            epoch=self._position.epoch + 1,
            seconds=round(seconds, 1),
            train_loss_per_layer=tuple((self._position.loss_sum / self._steps).tolist()),
            calibration=calibration,
            validation=validation,
        )
        self._progress.say(epoch_line(report, self._settings.optimiser.epochs))
        return report

    def _calibrate(self) -> tuple[Calibration, SplitReport]:
        """Calibrate the network on the validation split and report on it."""
        labels = self._validation.labels
        goodness = read_goodness(self._network, self._validation, self._device)
        found = calibrate(goodness, labels)
        self._network.calibrate(torch.tensor(found.layer_weights), found.temperature)
        return found, report_on(self._network, goodness, labels)

    def _finish(self) -> TrainedModel:
        """Calibrate in float32, read the test split for the first and only time, store."""
        self._device = torch.device("cpu")  # what is measured is what is stored and exported
        network = self._network.to("cpu", memory_format=torch.contiguous_format)
        calibration, validation = self._calibrate()
        goodness = read_goodness(network, self._dataset.test, self._device)
        test = report_on(network, goodness, self._dataset.test.labels)
        report = Report(
            labels=self._dataset.labels,
            data_sha256=self._fingerprint,
            layers=layer_reports(network),
            epochs=self._epochs,
            calibration=calibration,
            validation=validation,
            test=test,
        )
        trained = TrainedModel(network, report)
        # In this order: a run killed in between writes the line again, for its log is cut back.
        self._run.log.test(test)
        self._run.save_model(trained)
        self._progress.say(f"test accuracy {test.accuracy:.2%} (n = {test.n})")
        return trained

    def _save(self) -> None:
        epoch, step, loss_sum = self._position
        network, optimizers = self._network.state_dict(), self._update.state_dict()
        self._run.save(
            Checkpoint(epoch, step, loss_sum, network, optimizers, self._epochs, self._fingerprint)
        )


def _refuse_divergence(position: Position) -> None:
    """Stop before the checkpoint if a loss is no number any more."""
    for layer, loss in enumerate(position.loss_sum.tolist(), start=1):
        if not math.isfinite(loss):
            message = (
                f"layer {layer} diverged in epoch {position.epoch + 1}: its loss is "
                f"{loss}; start again with a lower learning_rate or assignment_rate"
            )
            raise DivergenceError(message)
