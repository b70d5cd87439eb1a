"""Training the same network by backpropagation: same data, order, augmentation and schedule."""

from typing import NamedTuple

import torch

from model.network.stack import ForwardForwardNetwork
from training.compare.backprop import BackpropUpdate, learned
from training.compare.result import VariantResult
from training.compare.stopwatch import Stopwatch
from training.compare.variants import Variant
from training.data.dataset import Dataset, Split
from training.data.load import load_dataset
from training.data.split import split_validation
from training.errors import DivergenceError
from training.fit.batches import Batches, dealt
from training.fit.build import build_network
from training.fit.device import denormals_flushed, make_deterministic
from training.fit.position import Position
from training.fit.progress import Extent
from training.objective.objective import Moment
from training.results.measure import read_goodness
from training.settings.fit import FitSettings

_CPU = torch.device("cpu")


class _Trained(NamedTuple):
    """What one rate gave: the network on the CPU, and validation accuracy after each epoch."""

    rate: float
    network: ForwardForwardNetwork
    epochs: tuple[float, ...]
    stopwatch: Stopwatch


def train_end_to_end(variant: Variant) -> list[VariantResult]:
    """Train at every rate of a variant, keep the best on validation, and test that one.

    Raises:
        TrainingError: settings or data do not allow it, or the loss is no number any more.
    """
    make_deterministic(variant.settings.run)
    dataset = load_dataset(variant.settings.data, variant.settings.run.seed)
    runs = [_train(variant.settings, rate, dataset) for rate in variant.rates]
    best = max(runs, key=lambda run: run.epochs[-1])
    _, validation = _splits(variant.settings, dataset)
    row = VariantResult(
        name=variant.name,
        learning_rate=best.rate,
        tried={run.rate: run.epochs[-1] for run in runs},
        epochs=best.epochs,
        validation=best.epochs[-1],
        n_validation=len(validation),
        test=accuracy(best.network, dataset.test, _CPU),
        n_test=len(dataset.test),
        parameters=sum(parameter.numel() for parameter in learned(best.network)),
        cost=best.stopwatch.cost(),
    )
    return [row]


def accuracy(network: ForwardForwardNetwork, split: Split, device: torch.device) -> float:
    """Say how often the last layer is right, in evaluation mode and in float32."""
    found = read_goodness(network, split, device)[:, -1].argmax(1)
    return (found == split.labels).double().mean().item()


def _splits(settings: FitSettings, dataset: Dataset) -> tuple[Split, Split]:
    fraction, seed = settings.data.validation_fraction, settings.run.seed
    return split_validation(dataset, fraction, seed)


def _train(settings: FitSettings, rate: float, dataset: Dataset) -> _Trained:
    run = settings.run
    optimiser = settings.optimiser.model_copy(update={"learning_rate": rate})
    train, validation = _splits(settings, dataset)
    batches = dealt(settings, train, dataset)
    drawn = build_network(settings.network, train, len(dataset.labels), run.seed)
    device = torch.device(run.device)
    network = drawn.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    smoothing = settings.objective.label_smoothing
    update = BackpropUpdate(network, optimiser, run.precision, smoothing)
    stopwatch = Stopwatch(optimiser.batch_size, run.device)
    reached: list[float] = []
    with denormals_flushed():
        for epoch in range(optimiser.epochs):
            network.train()
            place = Position.start(epoch, 1, device)
            extent = Extent(batches.steps, optimiser.epochs, optimiser.batch_size)
            stopwatch.begin(place, extent)
            loss = _train_epoch(update, batches, place, optimiser.epochs, stopwatch)
            stopwatch.end()
            _refuse_divergence(loss, epoch, rate)
            reached.append(accuracy(network, validation, device))
    on_cpu = network.to("cpu", memory_format=torch.contiguous_format)
    return _Trained(rate, on_cpu, tuple(reached), stopwatch)


def _train_epoch(
    update: BackpropUpdate, batches: Batches, start: Position, epochs: int, stopwatch: Stopwatch
) -> float:
    """Take an epoch's steps; give the sum of their losses."""
    position, order = start, batches.order(start.epoch)
    for step in range(batches.steps):
        batch = batches.augmented(order[step], start.epoch, step).to(start.loss_sum.device)
        done, total = start.epoch * batches.steps + step, epochs * batches.steps
        at = Moment(done, total, start.epoch)
        position = position.after(update.step(batch.images, batch.labels, at))
        stopwatch.step(position, (done + 1) / total)
    return position.loss_sum.sum().item()


def _refuse_divergence(loss: float, epoch: int, rate: float) -> None:
    if not torch.isfinite(torch.tensor(loss)):
        message = f"backpropagation at rate {rate:g} diverged in epoch {epoch + 1}"
        raise DivergenceError(message)
