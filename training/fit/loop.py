"""A whole training run: epochs, validation, checkpoints; the test split once, at the end."""

import logging
from pathlib import Path

from training.data.dataset import Dataset
from training.data.overview import tell_splits
from training.data.split import split_validation
from training.errors import CheckpointError, DataError
from training.fit.assess import History, final_report, validate
from training.fit.batches import dealt
from training.fit.budget import Budget, Clock
from training.fit.device import denormals_flushed
from training.fit.keeper import Keeper
from training.fit.learner import Learner
from training.fit.length import Length
from training.fit.position import Position
from training.fit.progress import Extent, Progress
from training.fit.stop import StopRequest, stop_on_signals
from training.initial.overlap import overlap_warning
from training.initial.read import read_layers
from training.objective.objective import Objective
from training.parallel.group import ALONE, Group
from training.results.checkpoint import Checkpoint
from training.results.measure import layer_reports
from training.results.report import EpochReport
from training.results.run import Run
from training.results.table import end_lines, epoch_line
from training.results.trained import TrainedModel
from training.settings.fit import FitSettings

log = logging.getLogger("goodserve")


class Trainer:
    """Leads one run: how long it learns, when it is validated and stored."""

    def __init__(  # noqa: PLR0913, PLR0917  what a run is made of
        self,
        settings: FitSettings,
        dataset: Dataset,
        run: Run,
        progress: Progress,
        objective: Objective,
        clock: Clock,
        group: Group = ALONE,
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
        self._group = group
        self._fingerprint = _same_everywhere(dataset.fingerprint(), data.source, group)
        train, self._validation = split_validation(dataset, data.validation_fraction, seed)
        self._train = train
        batches = dealt(settings, train, dataset)
        batch_size = batches.size
        self._learner = Learner(settings, batches, len(dataset.labels), objective, group)
        self._extent = Extent(batches.steps, settings.optimiser.epochs, batch_size)
        self._length = Length.of(settings.optimiser, batches.steps)
        self._keeper = Keeper(run, self._fingerprint)
        self._epochs: tuple[EpochReport, ...] = ()
        self._budget = Budget(settings.optimiser.time, clock, len(self._validation))
        self._began, self._saved_s = (0.0, 0), 0.0
        if batches.steps == 0:
            message = (
                f"{len(train)} images to learn from are less than a batch of {batch_size}; "
                "lower batch_size"
            )
            raise DataError(message)
        if min(batch_size, len(self._validation)) < group.size:
            message = (
                f"{group.size} processes cannot share a batch of {batch_size} and "
                f"{len(self._validation)} validation images; start fewer"
            )
            raise DataError(message)
        tell_splits(dataset, train, self._validation, progress.say)

    def restore(self, checkpoint: Checkpoint | None) -> None:
        """Go back to a checkpoint; None begins anew.

        Raises:
            CheckpointError: the data have changed since the run began, or the checkpoint is
                of another network.
        """
        if checkpoint is None:
            self._run.forget_best()
            self._take_over()
            return
        if checkpoint.fingerprint != self._fingerprint:
            message = (
                f"{self._settings.data.source} has changed since the run began "
                f"(sha256 {self._fingerprint[:12]}, was {checkpoint.fingerprint[:12]})"
            )
            raise CheckpointError(message)
        position = Position(checkpoint.epoch, checkpoint.step, checkpoint.loss_sum)
        try:
            self._learner.go_back(position, checkpoint.network, checkpoint.optimizers)
        except (KeyError, RuntimeError, ValueError) as error:
            message = f"the checkpoint in {self._run.folder} is not of this run's network"
            raise CheckpointError(message) from error
        self._epochs = checkpoint.epochs
        self._budget.go_on(checkpoint.seconds)
        self._began, self._saved_s = (checkpoint.seconds, checkpoint.step), checkpoint.seconds
        self._keeper.restore()

    def _take_over(self) -> None:
        """Begin with the layers that the settings name, if they name any."""
        initial, freeze = self._settings.network.initial, self._settings.optimiser.freeze
        if initial is None:
            if freeze:
                self._progress.say(f"freeze {freeze}: these layers stay as drawn; see --from")
            return
        trained = self._group.told(lambda: read_layers(Path(initial)))
        warning = overlap_warning(Path(initial), self._settings, self._dataset, self._fingerprint)
        if warning is not None:
            log.warning("%s", warning)
        taken = self._learner.take_over(trained, freeze)
        self._budget.go_on(0.0)  # no time of training
        names = ", ".join(block.spec.name for block in self._learner.network.layers()[:taken])
        self._progress.say(f"starts with {names} of {initial}")

    def end(self) -> str | None:
        """Say why the run is over; None while there is something to train."""
        if not self._learner.steps_done:  # a run of whatever little time takes a step
            return None
        epoch = self._learner.position.epoch
        return self._length.end(epoch, self._budget.spent, self._epochs)

    def train(self) -> TrainedModel:
        """Go through what is left of the run, then calibrate and test.

        Raises:
            Interrupted: SIGINT or SIGTERM came; the checkpoint holds the step it came at.
            DivergenceError: a loss is no number any more; the last checkpoint is as it was.
        """
        with denormals_flushed(), stop_on_signals(self._group.any) as stop:
            while self.end() is None:
                self._train_epoch(stop)
                if self._learner.is_epoch_over:
                    self._close_epoch()
                    stop.answer(f"stopped after epoch {len(self._epochs)}")
            if self._learner.position.step:
                self._close_part()
                stop.answer("stopped when its time was over")
        # Asked before: the leader finishes alone, and the time is told to all.
        reason = self.end()
        return self._group.awaited(lambda: self._finish(reason))

    def read_anew(self, epochs: tuple[EpochReport, ...]) -> TrainedModel:
        """Calibrate and test a finished run again, without a step.

        Args:
            epochs: all of the run's, first to last.
        """
        self._epochs = epochs
        with denormals_flushed():
            return self._group.awaited(lambda: self._finish("images are read anew"))

    def _train_epoch(self, stop: StopRequest) -> None:
        self._learner.network.train()
        self._began = (self._budget.seconds, self._learner.position.step)
        self._progress.begin(self._learner.position, self._extent)
        try:
            self._take_steps(stop)
        finally:
            self._progress.end()

    def _take_steps(self, stop: StopRequest) -> None:
        """Take the steps that are left of the epoch, or for which there is time."""
        learner, every_s = self._learner, self._settings.run.checkpoint_every_s
        for indices in learner.batches():
            total = self._length.total_steps(learner.steps_done, self._budget.spent)
            learner.learn(indices, total)
            self._budget.see(len(indices))
            self._progress.step(learner.position, learner.steps_done / total)
            if stop.is_set:
                self._save()
                epoch, step, _ = learner.position
                stop.answer(f"stopped at epoch {epoch + 1}, step {step}")
            if self._budget.spent >= 1:
                return
            if self._budget.seconds - self._saved_s >= every_s:
                self._save()

    def _close_epoch(self) -> None:
        """Validate and store a whole epoch."""
        report = self._report_epoch()
        self._learner.next_epoch()
        # The checkpoint before the log, which a resumed run rewrites by it.
        self._save()
        self._run.log.epoch(report)

    def _close_part(self) -> None:
        """Validate the part of an epoch for which there was time.

        The checkpoint stays in the middle of the epoch: a longer run completes it.
        """
        self._save()
        self._run.log.epoch(self._report_epoch())

    def _report_epoch(self) -> EpochReport:
        """Read the validation split; refuse an epoch in which a layer diverged."""
        learner, (began_s, first_step) = self._learner, self._began
        seconds = self._budget.seconds - began_s
        images = (learner.position.step - first_step) * self._extent.batch_size
        learner.refuse_divergence()
        with self._budget.validating():
            found = validate(learner.network, self._validation, learner.device, self._group)
        report = EpochReport(
            epoch=learner.position.epoch + 1,
            seconds=round(seconds, 1),
            train_loss_per_layer=learner.position.mean_losses(),
            calibration=found[0],
            validation=found[1],
            is_whole=learner.is_epoch_over,
            images_per_s=round(images / max(seconds, 1e-3), 1),
            assignment_entropy_per_layer=tuple(
                layer.assignment_entropy for layer in layer_reports(learner.network)
            ),
        )
        # The leader's: on unlike machines the others' may differ in the last bit.
        report = self._group.told(lambda: report)
        self._epochs = (*self._epochs, report)
        self._keeper.see(report, learner.network)
        self._progress.say(epoch_line(report, self._settings.optimiser.epochs))
        return report

    def _finish(self, reason: str | None) -> TrainedModel:
        """Calibrate in float32 on the CPU, test, store."""
        network = self._learner.to_cpu()
        last, keep = self._epochs[-1], self._settings.optimiser.keep
        kept = self._keeper.put_back(network, last) if keep == "best" else last.epoch
        history = History(self._epochs, kept, self._fingerprint)
        splits = self._train, self._validation
        report, answers = final_report(network, self._dataset, *splits, history)
        trained = TrainedModel(network, report)
        # In this order: a run killed in between writes the line again, for its log is cut back.
        self._run.log.test(report.test)
        self._run.save_answers(answers)
        self._run.save_model(trained)
        self._progress.say(f"{reason}; epoch {report.kept_epoch} is kept")
        self._progress.say("\n".join(end_lines(report)))
        return trained

    def _save(self) -> None:
        self._learner.refuse_divergence()
        self._saved_s = self._budget.seconds
        epoch, step, loss_sum = self._learner.position
        network, optimizers = self._learner.state()
        past = self._epochs, self._fingerprint
        self._run.save(
            Checkpoint(epoch, step, loss_sum, network, optimizers, *past, seconds=self._saved_s)
        )


def _same_everywhere(fingerprint: str, source: str, group: Group) -> str:
    """Make sure that every process reads the same data; give their fingerprint.

    Raises:
        DataError: this process' data are not the leader's.
    """
    if group.told(lambda: fingerprint) != fingerprint:
        message = f"{source} is not the same here as where the leading process runs; copy it anew"
        raise DataError(message)
    return fingerprint
