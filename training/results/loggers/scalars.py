"""What loggers show of a run: numbers by name. Layers are counted from 1."""

from collections.abc import Sequence

from training.results.report import EpochReport, SplitReport
from training.settings.fit import FitSettings, flat

TEST_ACCURACY = "test_accuracy/network"


def epoch_scalars(report: EpochReport) -> dict[str, float]:
    """Name the numbers of an epoch."""
    speed = {} if report.images_per_s is None else {"images_per_s": report.images_per_s}
    return {
        **_by_layer("train_loss", report.train_loss_per_layer),
        **_by_layer("validation_accuracy", report.validation.per_layer),
        "validation_accuracy/network": report.validation.accuracy,
        "validation_loss/network": report.validation.loss,
        **_by_layer("layer_weight", report.calibration.layer_weights),
        **_by_layer("assignment_entropy", report.assignment_entropy_per_layer),
        **speed,
    }


def end_scalars(report: SplitReport) -> dict[str, float]:
    """Name the numbers of the one look at the test split."""
    return {TEST_ACCURACY: report.accuracy, **_by_layer("test_accuracy", report.per_layer)}


def hyperparameters(settings: FitSettings) -> dict[str, str | float | bool]:
    """Name the settings as the flags do; what is no number or text becomes text."""
    return {
        name: value if isinstance(value, str | float | int) else str(value)
        for name, value in flat(settings).items()
    }


def _by_layer(name: str, values: Sequence[float]) -> dict[str, float]:
    return {f"{name}/layer{layer}": value for layer, value in enumerate(values, start=1)}
