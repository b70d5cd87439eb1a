"""A whole training run: epochs, validation, checkpoints; the test split once, at the end."""

import time

import torch

from training.data.dataset import Dataset
from training.data.overview import tell_splits
from training.data.split import split_validation
from training.errors import CheckpointError, DataError
from training.fit.assess import final_report, refuse_divergence, validate
from training.fit.batches import Batches
from training.fit.build import build_network
from training.fit.device import denormals_flushed
from training.fit.position import Position
from training.fit.progress import Progress
from training.fit.step import LocalUpdate
from training.fit.stop import Interrupted, StopRequest, stop_on_signals
from training.objective.objective import Moment, Objective
from training.results.checkpoint import Checkpoint
from training.results.measure import layer_reports
from training.results.report import EpochReport
from training.results.run import Run
from training.results.table import end_lines, epoch_line
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
        data, seed = settings.data, settings.run.seed
        self._settings = settings
        self._dataset = dataset
        self._run = run
        self._progress = progress
        self._device = torch.device(settings.run.device)
        self._fingerprint = dataset.fingerprint()
        train, self._validation = split_validation(dataset, data.validation_fraction, seed)
        flip = dataset.may_flip if data.flip is None else data.flip
        batch_size = settings.optimiser.batch_size
        self._batches = Batches(train, batch_size, seed, data.crop_padding, flip, data.cutout)
        network = build_network(settings.network, train, len(dataset.labels), seed)
        self._network = network.to(self._device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        precision = settings.run.precision
        self._update = LocalUpdate(self._network, settings.optimiser, objective, precision)
        self._epochs: tuple[EpochReport, ...] = ()
        self._position = self._epoch_start(0)
        if self._batches.steps == 0:
            message = (
                f"{len(train)} images to learn from are less than a batch of {batch_size}; "
                "lower batch_size"
            )
            raise DataError(message)
        tell_splits(dataset, train, self._validation, progress.say)

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
        self._run.log.begin(self._settings, self._epochs)

    def train(self) -> TrainedModel:
        """Go through the epochs that are left, then calibrate and test.

        Raises:
            Interrupted: SIGINT or SIGTERM came; the checkpoint holds the step it came at.
            DivergenceError: a loss is no number any more; the last checkpoint is as it was.
        """
        with denormals_flushed(), stop_on_signals() as stop:
            for _ in range(self._position.epoch, self._settings.optimiser.epochs):
                started, first_step = time.monotonic(), self._position.step
                self._train_epoch(stop)
                report = self._report_epoch(started, first_step)
                self._epochs = (*self._epochs, report)
                self._position = self._epoch_start(self._position.epoch + 1)
                # The checkpoint before the log, which a resumed run rewrites by it.
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
        epochs = self._settings.optimiser.epochs
        self._progress.begin(self._position, self._batches.steps, epochs)
        try:
            self._take_steps(stop)
        finally:
            self._progress.end()

    def _take_steps(self, stop: StopRequest) -> None:
        """Take the steps that are left of the epoch; store the place if asked to stop."""
        epoch, steps = self._position.epoch, self._batches.steps
        order = self._batches.order(epoch)
        total = steps * self._settings.optimiser.epochs
        for step in range(self._position.step, steps):
            batch = self._batches.augmented(order[step], epoch, step).to(self._device)
            at = Moment(epoch * steps + step, total, epoch)
            losses = self._update.step(batch.images, batch.labels, at)
            self._position = self._position.after(losses)
            self._progress.step(self._position)
            if stop.is_set:
                self._save()
                message = f"stopped at epoch {epoch + 1}, step {step + 1}"
                raise Interrupted(message)

    def _report_epoch(self, started: float, first_step: int) -> EpochReport:
        """Read the validation split; refuse an epoch in which a layer diverged."""
        refuse_divergence(self._position)
        seconds = time.monotonic() - started
        images = (self._batches.steps - first_step) * self._settings.optimiser.batch_size
        calibration, validation = validate(self._network, self._validation, self._device)
        report = EpochReport(
            epoch=self._position.epoch + 1,
            seconds=round(seconds, 1),
            train_loss_per_layer=tuple((self._position.loss_sum / self._batches.steps).tolist()),
            calibration=calibration,
            validation=validation,
            images_per_s=round(images / max(seconds, 1e-3), 1),
            assignment_entropy_per_layer=tuple(
                layer.assignment_entropy for layer in layer_reports(self._network)
            ),
        )
        self._progress.say(epoch_line(report, self._settings.optimiser.epochs))
        return report

    def _finish(self) -> TrainedModel:
        """Calibrate in float32 on the CPU, test, store."""
        network = self._network.to("cpu", memory_format=torch.contiguous_format)
        report, answers = final_report(
            network, self._dataset, self._validation, self._epochs, self._fingerprint
        )
        trained = TrainedModel(network, report)
        # In this order: a run killed in between writes the line again, for its log is cut back.
        self._run.log.test(report.test)
        self._run.save_answers(answers)
        self._run.save_model(trained)
        self._progress.say("\n".join(end_lines(report)))
        return trained

    def _save(self) -> None:
        epoch, step, loss_sum = self._position
        network, optimizers = self._network.state_dict(), self._update.state_dict()
        self._run.save(
            Checkpoint(epoch, step, loss_sum, network, optimizers, self._epochs, self._fingerprint)
        )
