"""A report in words, for the terminal."""

from collections.abc import Iterator, Sequence

from training.results.answers import SplitAnswers
from training.results.reliability import NUM_BINS, reliability
from training.results.report import EpochReport, InterimReport, Report, SplitReport


def epoch_line(epoch: EpochReport, epochs: int) -> str:
    """Say in one line how an epoch went; the run has `epochs`, or 0 for any number."""
    validation = epoch.validation
    layers = " ".join(f"{accuracy:.1%}" for accuracy in validation.per_layer)
    return (
        f"epoch {numbered(epoch.epoch, epochs)}{'' if epoch.is_whole else ', in part'}  "
        f"{epoch.seconds:.0f} s  "
        f"loss {epoch.train_loss_per_layer[-1]:.3f}  "
        f"validation {validation.accuracy:.2%} (n = {validation.n})  layers {layers}"
    )


def numbered(epoch: int, epochs: int) -> str:
    """Number an epoch, from 1: `3/30`, or `3` where their number is open."""
    return f"{epoch}/{epochs}" if epochs else str(epoch)


def interim_lines(report: InterimReport) -> Iterator[str]:
    """Say how a run that has not finished does: on validation alone."""
    validation = report.validation
    yield (
        f"epoch {report.kept_epoch} of a run that has not finished: validation accuracy "
        f"{validation.accuracy:.2%} (n = {validation.n}); the test split is not read"
    )


def end_lines(report: Report) -> Iterator[str]:
    """Say at the end of a run how it does on the test split, beside answers without a look."""
    yield f"test accuracy {report.test.accuracy:.2%} (n = {report.test.n})"
    yield from _against_baseline(report.test)
    yield from _class_lines(report.labels, report.test)


def split_lines(report: Report, found: SplitReport) -> Iterator[str]:
    """Say how a trained network does on a split, by layer and by class.

    Args:
        report: of the run.
        found: on its test split, or on that of other data with the same classes.
    """
    yield f"accuracy {found.accuracy:.2%} (n = {found.n}), loss {found.loss:.4f}"
    yield from _against_baseline(found)
    layers = zip(report.layers, found.per_layer, report.calibration.layer_weights, strict=True)
    for layer, accuracy, weight in layers:
        yield (
            f"  layer {layer.name:<12} {accuracy:7.2%}  layer weight {weight:.3f}  "
            f"assignment entropy {layer.assignment_entropy:.2f}"
        )
    yield from _class_lines(report.labels, found)


def calibration_line(answers: SplitAnswers, temperature: float) -> str:
    """Say how far the probabilities of a split are from how often they are right."""
    errors = [
        reliability(answers.probabilities(each), answers.labels).error for each in (temperature, 1)
    ]
    return (
        f"  calibration error {errors[0]:.2%} (ECE, {NUM_BINS} bins) at temperature "
        f"{temperature:.2f}; at 1 it would be {errors[1]:.2%}"
    )


def _against_baseline(found: SplitReport) -> Iterator[str]:
    if found.balanced_accuracy is not None and found.majority_accuracy is not None:
        yield (
            f"  balanced over the classes {found.balanced_accuracy:.2%}; "
            f"always the most frequent class {found.majority_accuracy:.2%}"
        )


def _class_lines(labels: Sequence[str], found: SplitReport) -> Iterator[str]:
    # Reports of format 2 have no counts.
    counts = found.images_per_class or (None,) * len(labels)
    for label, share, count in zip(labels, found.per_class, counts, strict=True):
        n = "" if count is None else f" (n = {count})"
        yield f"  class {label:<12} " + ("no images" if share is None else f"{share:7.2%}{n}")
