"""Looking at a network between epochs and at the end: calibration, reports, divergence."""

import math

import torch
from torch import Tensor

from model.network.stack import ForwardForwardNetwork
from training.data.dataset import Dataset, Split
from training.errors import DivergenceError
from training.fit.calibration import calibrate
from training.fit.position import Position
from training.results.answers import RunAnswers
from training.results.measure import (
    answers_on,
    examples_of,
    layer_reports,
    read_goodness,
    report_on,
)
from training.results.report import Calibration, EpochReport, Report, SplitReport

_CPU = torch.device("cpu")


def validate(
    network: ForwardForwardNetwork, split: Split, device: torch.device
) -> tuple[Calibration, SplitReport]:
    """Calibrate a network on the validation split, and report on it there."""
    return _calibrated(network, read_goodness(network, split, device), split)


def final_report(
    network: ForwardForwardNetwork,
    dataset: Dataset,
    validation: Split,
    epochs: tuple[EpochReport, ...],
    fingerprint: str,
) -> tuple[Report, RunAnswers]:
    """Calibrate a network for good, and read the test split for the first and only time.

    Args:
        network: on the CPU, float32: what is measured is what is stored and exported.
        dataset: with its test split.
        validation: the images kept for calibration.
        epochs: of the run.
        fingerprint: of the data set.
    """
    goodness = read_goodness(network, validation, _CPU)
    calibration, validated = _calibrated(network, goodness, validation)
    tested, test = read_goodness(network, dataset.test, _CPU), dataset.test
    report = Report(
        labels=dataset.labels,
        data_sha256=fingerprint,
        layers=layer_reports(network),
        epochs=epochs,
        calibration=calibration,
        validation=validated,
        test=report_on(network, tested, test.labels),
    )
    return report, RunAnswers(
        validation=answers_on(network, goodness, validation.labels),
        test=answers_on(network, tested, test.labels),
        examples=examples_of(network, goodness, validation),
    )


def _calibrated(
    network: ForwardForwardNetwork, goodness: Tensor, split: Split
) -> tuple[Calibration, SplitReport]:
    found = calibrate(goodness, split.labels)
    network.calibrate(torch.tensor(found.layer_weights), found.temperature)
    return found, report_on(network, goodness, split.labels)


def refuse_divergence(position: Position) -> None:
    """Stop before the checkpoint if a loss is no number any more.

    Raises:
        DivergenceError: the message names the layer and the epoch.
    """
    for layer, loss in enumerate(position.loss_sum.tolist(), start=1):
        if not math.isfinite(loss):
            message = (
                f"layer {layer} diverged in epoch {position.epoch + 1}: its loss is "
                f"{loss}; start again with a lower learning_rate or assignment_rate"
            )
            raise DivergenceError(message)
