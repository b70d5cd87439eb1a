"""The model of a run that has not finished: its best epoch so far, or where it stands."""

from torch import Tensor

from training.data.dataset import Dataset, Split
from training.errors import CheckpointError
from training.fit.assess import History, interim_report
from training.fit.build import build_network
from training.results.best import put_weights
from training.results.run import Run
from training.results.trained import InterimModel
from training.settings.fit import FitSettings
from training.settings.values import Keep


def interim_model(
    run: Run, settings: FitSettings, dataset: Dataset, kept: tuple[Split, Split], state: Keep
) -> InterimModel:
    """Calibrate what a run has learned so far; the test split is not read.

    Another process may be training in the run meanwhile.

    Args:
        run: a folder with a run.
        settings: of the run.
        dataset: what it learns from.
        kept: the images it learns from, and those that calibrate it.
        state: the best epoch, or the last checkpoint.

    Raises:
        CheckpointError: there is no such state yet, or the data have changed.
        DivergenceError: a layer gives no numbers.
    """
    weights, history = _best(run) if state == "best" else _last(run)
    if history.fingerprint != dataset.fingerprint():
        message = f"{settings.data.source} has changed since the run began; bring back the old data"
        raise CheckpointError(message)
    train, validation = kept
    num_classes, seed = len(dataset.labels), settings.run.seed
    network = build_network(settings.network, train, num_classes, seed)
    put_weights(network, weights, f"the {state} state in {run.folder}")
    report = interim_report(network, dataset.labels, validation, history)
    return InterimModel(network.eval(), report)


def _best(run: Run) -> tuple[dict[str, Tensor], History]:
    best, checkpoint = run.load_best(), run.load()
    if best is None:
        message = (
            f"{run.folder} holds no validated epoch yet; go on with fit --resume, or name "
            "--state last"
        )
        raise CheckpointError(message)
    epochs = checkpoint.epochs if checkpoint is not None else (best.report,)
    return best.network, History(epochs, best.report.epoch, best.fingerprint)


def _last(run: Run) -> tuple[dict[str, Tensor], History]:
    checkpoint = run.load()
    if checkpoint is None:
        message = f"{run.folder} holds no checkpoint yet; go on with fit --resume"
        raise CheckpointError(message)
    # An epoch in progress counts as the one whose weights these are.
    epoch = checkpoint.epoch + (checkpoint.step > 0)
    return checkpoint.network, History(checkpoint.epochs, epoch, checkpoint.fingerprint)
