"""A whole training run: epochs, validation, checkpoints; the test split once, at the end."""

import math
import time
from typing import Any, NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from training.augment import crop_and_flip
from training.build import build_network
from training.checkpoint import Checkpoint, Run, TrainedModel
from training.config import FitSettings
from training.data import Dataset, Split, load_dataset, split_validation
from training.device import make_deterministic, resolve
from training.errors import CheckpointError, DataError, DivergenceError
from training.evaluate import accuracy_report, calibrate, read_goodness
from training.stop import Interrupted, StopRequest, stop_on_signals
from training.update import LocalUpdate, schedule


class Position(NamedTuple):
    """Where in the run training stands: steps taken of an epoch, and their losses' sum."""

    epoch: int
    step: int
    loss_sum: Tensor


def start_run(settings: FitSettings, run: Run, *, quiet: bool = False) -> TrainedModel:
    """Train a network in a new run.

    Args:
        settings: `auto` is replaced by what this machine has before they are stored.
        run: a folder without a run.
        quiet: print no progress.

    Raises:
        Interrupted: SIGINT or SIGTERM came; the checkpoint holds the step it came at.
        TrainingError: settings, data or folder do not allow it.
    """
    run.refuse_existing()
    settings = resolve(settings)
    make_deterministic(settings)
    trainer = Trainer(settings, load_dataset(settings), run, quiet=quiet)
    run.start(settings)
    return trainer.train()


def resume_run(run: Run, *, quiet: bool = False) -> TrainedModel:
    """Go on where a run stopped; a finished one is only read.

    Raises:
        Interrupted: SIGINT or SIGTERM came; the checkpoint holds the step it came at.
        TrainingError: there is no run, or its data or device are not as they were.
    """
    settings = run.settings()
    if run.is_finished():
        return run.load_model()
    settings = resolve(settings)
    make_deterministic(settings)
    trainer = Trainer(settings, load_dataset(settings), run, quiet=quiet)
    trainer.restore(run.load())
    return trainer.train()


class Trainer:
    """Holds one run's network, data and place in time."""

    def __init__(
        self, settings: FitSettings, dataset: Dataset, run: Run, *, quiet: bool = False
    ) -> None:
        """Split the data and draw the initial weights."""
        self._settings = settings
        self._dataset = dataset
        self._run = run
        self._quiet = quiet
        self._device = torch.device(settings.device)
        self._fingerprint = dataset.fingerprint()
        self._train, self._validation = split_validation(
            dataset.train, settings.validation_fraction, settings.seed
        )
        network = build_network(settings, dataset, self._train).to(self._device)
        self._network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._update = LocalUpdate(self._network, settings)
        self._history: list[dict[str, Any]] = []
        self._position = self._epoch_start(0)
        if len(self._train) < settings.batch_size:
            message = (
                f"{len(self._train)} images to learn from are less than a batch of "
                f"{settings.batch_size}; lower batch_size"
            )
            raise DataError(message)

    def restore(self, checkpoint: Checkpoint | None) -> None:
        """Go back to a checkpoint; None begins anew.

        Raises:
            CheckpointError: the data have changed since the run began.
        """
        if checkpoint is not None:
            if checkpoint.fingerprint != self._fingerprint:
                message = (
                    f"{self._settings.data} has changed since the run began "
                    f"(sha256 {self._fingerprint[:12]}, was {checkpoint.fingerprint[:12]})"
                )
                raise CheckpointError(message)
            self._network.load_state_dict(checkpoint.network)
            self._update.load_state_dict(checkpoint.optimizers)
            self._history = checkpoint.history
            loss_sum = checkpoint.loss_sum.to(self._device)
            self._position = Position(checkpoint.epoch, checkpoint.step, loss_sum)
        self._run.rewrite_log(self._history)

    def train(self) -> TrainedModel:
        """Go through the epochs that are left, then calibrate and test.

        Raises:
            Interrupted: SIGINT or SIGTERM came; the checkpoint holds the step it came at.
        """
        with stop_on_signals() as stop:
            for _ in range(self._position.epoch, self._settings.epochs):
                started = time.monotonic()
                self._train_epoch(stop)
                self._refuse_divergence()
                event = self._validate(time.monotonic() - started)
                self._history.append(event)
                self._position = self._epoch_start(self._position.epoch + 1)
                self._save()
                self._run.log(event)
                if stop.is_set:
                    message = f"stopped after epoch {event['epoch']}"
                    raise Interrupted(message)
        return self._finish()

    @property
    def _steps(self) -> int:
        """Whole batches in an epoch; the images left over differ from epoch to epoch."""
        return len(self._train) // self._settings.batch_size

    def _epoch_start(self, epoch: int) -> Position:
        layers = len(self._settings.widths)
        return Position(epoch, 0, torch.zeros(layers, device=self._device))

    def _train_epoch(self, stop: StopRequest) -> None:
        """Take the steps that are left of the epoch; store the place if asked to stop."""
        epoch, settings = self._position.epoch, self._settings
        total = self._steps * settings.epochs
        order = torch.randperm(len(self._train), generator=self._generator(epoch))
        batches = order[: self._steps * settings.batch_size].view(self._steps, -1)
        self._network.train()
        with self._bar() as bar:
            for step in range(self._position.step, self._steps):
                at = schedule(settings, epoch * self._steps + step, total)
                batch = self._augmented(self._train.take(batches[step]), epoch, step)
                losses = self._update.step(batch.images, batch.labels, at)
                loss_sum = self._position.loss_sum + losses
                self._position = Position(epoch, step + 1, loss_sum)
                bar.set_postfix(loss=f"{loss_sum[-1].item() / (step + 1):.3f}", refresh=False)
                bar.update()
                if stop.is_set:
                    self._save()
                    message = f"stopped at epoch {epoch + 1}, step {step + 1}"
                    raise Interrupted(message)

    def _refuse_divergence(self) -> None:
        """Stop before the checkpoint if a loss is no number any more.

        Raises:
            DivergenceError: the last checkpoint is as it was.
        """
        for layer, loss in enumerate(self._position.loss_sum.tolist(), start=1):
            if not math.isfinite(loss):
                message = (
                    f"layer {layer} diverged in epoch {self._position.epoch + 1}: its loss is "
                    f"{loss}; start again with a lower learning_rate or assignment_rate"
                )
                raise DivergenceError(message)

    def _augmented(self, batch: Split, epoch: int, step: int) -> Split:
        settings = self._settings
        flip = self._dataset.may_flip if settings.flip is None else settings.flip
        generator = self._generator(epoch, step)
        images = crop_and_flip(batch.images, settings.crop_padding, flip, generator)
        return Split(images.to(self._device), batch.labels.to(self._device))

    def _generator(self, *place: int) -> torch.Generator:
        """Derive chance from seed, epoch and step alone, so that resuming needs no state."""
        value = self._settings.seed
        for number in place:
            value = (value * 1_000_003 + number + 1) % 2**63
        return torch.Generator().manual_seed(value)

    def _validate(self, seconds: float) -> dict[str, Any]:
        """Read the validation split; return the epoch's event for the log."""
        report = self._calibrated_report()
        losses = (self._position.loss_sum / self._steps).tolist()
        event = {
            "event": "epoch",
            "epoch": self._position.epoch + 1,
            "seconds": round(seconds, 1),
            "train_loss_per_layer": losses,
            "validation": report,
        }
        self._say(_epoch_line(event, self._settings.epochs))
        return event

    def _calibrated_report(self) -> dict[str, Any]:
        """Calibrate the network on the validation split and report on it."""
        labels = self._validation.labels
        goodness = read_goodness(self._network, self._validation, self._device)
        found = calibrate(goodness, labels)
        self._network.calibrate(found.layer_weights, found.temperature)
        return {
            **accuracy_report(self._network, goodness, labels),
            "loss_per_layer": found.layer_losses.tolist(),
            "layer_weights": found.layer_weights.tolist(),
            "contribution_temperature": found.contribution_temperature,
            "temperature": found.temperature,
        }

    def _finish(self) -> TrainedModel:
        """Calibrate in float32, read the test split for the first and only time, store."""
        self._device = torch.device("cpu")  # what is measured is what is stored and exported
        network = self._network.to("cpu", memory_format=torch.contiguous_format)
        validation = self._calibrated_report()
        test = self._dataset.test
        goodness = read_goodness(network, test, self._device)
        results = {
            "validation": validation,
            "test": accuracy_report(network, goodness, test.labels),
        }
        trained = TrainedModel(network, self._dataset.labels, results, self._fingerprint)
        # In this order: a run killed in between writes the line again, for its log is cut back.
        self._run.log({"event": "test", **results["test"]})
        self._run.save_model(trained)
        accuracy, number = results["test"]["accuracy"], results["test"]["n"]
        self._say(f"test accuracy {accuracy:.2%} (n = {number})")
        return trained

    def _save(self) -> None:
        epoch, step, loss_sum = self._position
        network, optimizers = self._network.state_dict(), self._update.state_dict()
        self._run.save(
            Checkpoint(epoch, step, loss_sum, network, optimizers, self._history, self._fingerprint)
        )

    def _bar(self) -> "tqdm[Any]":
        epoch, epochs = self._position.epoch + 1, self._settings.epochs
        return tqdm(
            total=self._steps,
            initial=self._position.step,
            desc=f"epoch {epoch}/{epochs}",
            unit="batch",
            leave=False,
            disable=True if self._quiet else None,
        )

    def _say(self, line: str) -> None:
        if not self._quiet:
            tqdm.write(line)


def _epoch_line(event: dict[str, Any], epochs: int) -> str:
    validation = event["validation"]
    layers = " ".join(f"{accuracy:.1%}" for accuracy in validation["per_layer"])
    return (
        f"epoch {event['epoch']}/{epochs}  {event['seconds']:.0f} s  "
        f"loss {event['train_loss_per_layer'][-1]:.3f}  "
        f"validation {validation['accuracy']:.2%} (n = {validation['n']})  layers {layers}"
    )
