"""The keeper of the best epoch's weights."""

from model.network.stack import ForwardForwardNetwork
from training.results.best import BestEpoch, put_weights
from training.results.report import EpochReport
from training.results.run import Run


class Keeper:
    """Keeps in a run's folder the weights of the whole epoch that validated best.

    A part of an epoch is the end of a run by time, and its weights are those of the last
    checkpoint. A longer run completes it, and its report then tells of the whole epoch alone.
    """

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
        # Older versions of goodserve stored parts, too.
        self._best = best.report if best is not None and best.report.is_whole else None

    def see(self, report: EpochReport, network: ForwardForwardNetwork) -> None:
        """Store the weights of a whole epoch if it is the best so far."""
        if report.is_whole and (self._best is None or is_better(report, self._best)):
            self._run.save_best(BestEpoch(report, network.state_dict(), self._fingerprint))
            self._best = report

    def put_back(self, network: ForwardForwardNetwork, last: EpochReport) -> int:
        """Give a network the weights of the best epoch.

        Args:
            network: as it is at the end of the last epoch; it stays so where that is the best, or
                no other is stored.
            last: the last epoch's report, of a part or of all of it.

        Returns:
            The number of the epoch whose weights the network has, from 1.

        Raises:
            CheckpointError: the file is damaged, or of another network.
        """
        is_best = self._best is None or (not last.is_whole and is_better(last, self._best))
        best = None if is_best else self._run.load_best()
        if best is None:
            return last.epoch
        put_weights(network, best.network, "the best epoch's file")
        return best.report.epoch


def is_better(report: EpochReport, than: EpochReport) -> bool:
    """Tell whether an epoch validated better: by accuracy, among equals by loss."""
    new, old = report.validation, than.validation
    return (new.accuracy, -new.loss) > (old.accuracy, -old.loss)
