"""Looking at a network between epochs and at the end: calibration and reports."""

from typing import NamedTuple

import torch
from torch import Tensor

from model.network.stack import ForwardForwardNetwork
from training.data.dataset import Dataset, Split
from training.fit.calibration import calibrate
from training.fit.divergence import refuse_broken_goodness
from training.parallel.group import ALONE, Group
from training.results.answers import RunAnswers
from training.results.channels import channels_of
from training.results.examples import worst_classes
from training.results.familiarity import learn_familiarity
from training.results.measure import (
    answers_on,
    examples_of,
    layer_reports,
    read_goodness,
    report_on,
)
from training.results.report import (
    Calibration,
    EpochReport,
    InterimReport,
    Report,
    SplitReport,
)

_CPU = torch.device("cpu")


class History(NamedTuple):
    """What a report tells of the run itself.

    Attributes:
        epochs: first to last.
        kept_epoch: the epoch whose weights the network has, from 1.
        fingerprint: of the data set.
    """

    epochs: tuple[EpochReport, ...]
    kept_epoch: int
    fingerprint: str


def validate(
    network: ForwardForwardNetwork, split: Split, device: torch.device, group: Group = ALONE
) -> tuple[Calibration, SplitReport]:
    """Calibrate a network on the validation split, of which each process reads a part.

    Images are read as they are, so that epochs compare, whatever the trained network will do.

    Raises:
        DivergenceError: a layer gives no numbers.
    """
    share = group.share(len(split))
    own = read_goodness(network, split.part(share.start, share.stop), device, as_is=True)
    return _calibrated(network, group.gathered(own, len(split)), split)


def interim_report(
    network: ForwardForwardNetwork, labels: tuple[str, ...], validation: Split, history: History
) -> InterimReport:
    """Calibrate a network as it stands; the test split is not read.

    Args:
        network: on the CPU, float32: what is measured is what is stored and exported.
        labels: K class names.
        validation: the images kept for calibration.
        history: of the run.
    """
    goodness = read_goodness(network, validation, _CPU)
    return _interim(network, labels, goodness, validation, history)


def final_report(
    network: ForwardForwardNetwork,
    dataset: Dataset,
    learned: Split,
    validation: Split,
    history: History,
) -> tuple[Report, RunAnswers]:
    """Calibrate a network for good, and read the test split for the first and only time.

    Args:
        network: on the CPU, float32: what is measured is what is stored and exported.
        dataset: with its test split.
        learned: the images it learned from, which say what is familiar.
        validation: the images kept for calibration.
        history: of the run.
    """
    goodness = read_goodness(network, validation, _CPU)
    interim = _interim(network, dataset.labels, goodness, validation, history)
    tested, test = read_goodness(network, dataset.test, _CPU), dataset.test
    report = Report(**dict(interim), test=report_on(network, tested, test.labels))
    validated = answers_on(network, goodness, validation.labels)
    right = validated.scores.argmax(1) == validated.labels
    shown = worst_classes(right, validated.labels, len(dataset.labels))
    familiar = learn_familiarity(network, learned, validation)
    return report, RunAnswers(
        validation=validated,
        test=answers_on(network, tested, test.labels),
        examples=examples_of(network, goodness, validation, familiar),
        channels=channels_of(network, validation, shown),
    )


def _interim(
    network: ForwardForwardNetwork,
    labels: tuple[str, ...],
    goodness: Tensor,
    validation: Split,
    history: History,
) -> InterimReport:
    calibration, validated = _calibrated(network, goodness, validation)
    return InterimReport(
        labels=labels,
        data_sha256=history.fingerprint,
        layers=layer_reports(network),
        epochs=history.epochs,
        calibration=calibration,
        validation=validated,
        kept_epoch=history.kept_epoch,
    )


def _calibrated(
    network: ForwardForwardNetwork, goodness: Tensor, split: Split
) -> tuple[Calibration, SplitReport]:
    refuse_broken_goodness(goodness)
    found = calibrate(goodness, split.labels)
    network.calibrate(torch.tensor(found.layer_weights), found.temperature)
    return found, report_on(network, goodness, split.labels)
