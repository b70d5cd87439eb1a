"""Training a variant layer by layer, by the same code as `fit`."""

import tempfile
from pathlib import Path

import torch

from training.compare.result import Cost, VariantResult
from training.compare.stopwatch import Stopwatch
from training.compare.variants import FULL, UNIFORM, Variant
from training.data.load import load_dataset
from training.data.split import split_validation
from training.fit.calibration import best_temperature
from training.fit.start import start_run
from training.results.measure import read_goodness, report_on
from training.results.run import Run
from training.results.trained import TrainedModel

_CPU = torch.device("cpu")


def train_locally(variant: Variant) -> list[VariantResult]:
    """Train a variant; of the full method, read the same network with uniform layer weights too.

    Raises:
        TrainingError: settings or data do not allow it, or a layer diverged.
    """
    run = variant.settings.run
    stopwatch = Stopwatch(variant.settings.optimiser.batch_size, run.device)
    # The run's own folder is of no use afterwards: what is kept is the row.
    with tempfile.TemporaryDirectory() as folder:
        trained = start_run(variant.settings, Run(Path(folder) / "run"), stopwatch)
    row = _row(variant, trained, stopwatch.cost())
    return [row, _with_uniform_weights(row, trained, variant)] if variant.name == FULL else [row]


def _row(variant: Variant, trained: TrainedModel, cost: Cost) -> VariantResult:
    report = trained.report
    return VariantResult(
        name=variant.name,
        learning_rate=variant.settings.optimiser.learning_rate,
        epochs=tuple(epoch.validation.accuracy for epoch in report.epochs),
        validation=report.validation.accuracy,
        n_validation=report.validation.n,
        test=report.test.accuracy,
        n_test=report.test.n,
        parameters=sum(p.numel() for p in trained.network.parameters() if p.requires_grad),
        cost=cost,
    )


def _with_uniform_weights(
    row: VariantResult, trained: TrainedModel, variant: Variant
) -> VariantResult:
    """Let every layer of a trained network count alike; nothing is learned anew."""
    network, settings = trained.network, variant.settings
    dataset = load_dataset(settings.data, settings.run.seed)
    fraction = settings.data.validation_fraction
    _, validation = split_validation(dataset, fraction, settings.run.seed)
    goodness = read_goodness(network, validation, _CPU)
    layers = len(network.layers())
    temperature = best_temperature(goodness.mean(1), validation.labels)
    network.calibrate(torch.full((layers,), 1 / layers), temperature)
    validated = report_on(network, goodness, validation.labels)
    tested = report_on(network, read_goodness(network, dataset.test, _CPU), dataset.test.labels)
    return row.model_copy(
        update={
            "name": UNIFORM,
            "epochs": (),
            "validation": validated.accuracy,
            "test": tested.accuracy,
            "cost": None,
        }
    )
