"""A report in words, for the terminal."""

from collections.abc import Iterator

from training.results.report import EpochReport, Report, SplitReport


def epoch_line(epoch: EpochReport, epochs: int) -> str:
    """Say in one line how an epoch went."""
    validation = epoch.validation
    layers = " ".join(f"{accuracy:.1%}" for accuracy in validation.per_layer)
    return (
        f"epoch {epoch.epoch}/{epochs}  {epoch.seconds:.0f} s  "
        f"loss {epoch.train_loss_per_layer[-1]:.3f}  "
        f"validation {validation.accuracy:.2%} (n = {validation.n})  layers {layers}"
    )


def split_lines(report: Report, found: SplitReport) -> Iterator[str]:
    """Say how a trained network does on a split, by layer and by class.

    Args:
        report: of the run.
        found: on its test split, or on that of other data with the same classes.
    """
    yield f"accuracy {found.accuracy:.2%} (n = {found.n}), loss {found.loss:.4f}"
    layers = zip(report.layers, found.per_layer, report.calibration.layer_weights, strict=True)
    for layer, accuracy, weight in layers:
        yield (
            f"  layer {layer.name:<12} {accuracy:7.2%}  layer weight {weight:.3f}  "
            f"assignment entropy {layer.assignment_entropy:.2f}"
        )
    for label, share in zip(report.labels, found.per_class, strict=True):
        yield f"  class {label:<12} " + ("no images" if share is None else f"{share:7.2%}")
