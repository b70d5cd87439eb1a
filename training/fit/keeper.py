"""The keeper of the best epoch's weights."""

from model.network.stack import ForwardForwardNetwork
from training.results.best import BestEpoch, put_weights
from training.results.report import EpochReport
from training.results.run import Run


class Keeper:
    """Keeps in a run's folder the weights of the epoch that validated best."""

    def __init__(self, run: Run, fingerprint: str) -> None:
        """Begin with none; `fingerprint` is that of the data."""
        self._run = run
        self._fingerprint = fingerprint
        self._best: EpochReport | None = None

    def restore(self) -> None:
        """Find the best epoch of the processes before.

        Raises:
            CheckpointError: its file is damaged.
        """
        best = self._run.load_best()
        self._best = best.report if best is not None else None

    def see(self, report: EpochReport, network: ForwardForwardNetwork) -> None:
        """Store the weights of an epoch if it is the best so far."""
        if self._best is None or is_better(report, self._best):
            self._run.save_best(BestEpoch(report, network.state_dict(), self._fingerprint))
            self._best = report

    def put_back(self, network: ForwardForwardNetwork) -> int | None:
        """Give a network the weights of the best epoch; return its number, from 1.

        Returns:
            None, with the network as it was, where no epoch is kept.

        Raises:
            CheckpointError: the file is damaged, or of another network.
        """
        best = self._run.load_best()
        if best is None:
            return None
        put_weights(network, best.network, "the best epoch's file")
        return best.report.epoch


def is_better(report: EpochReport, than: EpochReport) -> bool:
    """Tell whether an epoch validated better: by accuracy, among equals by loss."""
    new, old = report.validation, than.validation
    return (new.accuracy, -new.loss) > (old.accuracy, -old.loss)
