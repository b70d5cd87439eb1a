"""The epoch of a run that validated best, with its weights."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from torch import Tensor

from model.network.stack import ForwardForwardNetwork
from training.errors import CheckpointError
from training.results.report import EpochReport
from training.results.stored import load_tensors, save_tensors

_REMEDY = "take it away, and the best of the epochs to come is kept"


@dataclass(frozen=True)
class BestEpoch:
    """One epoch's weights.

    Attributes:
        report: of the epoch.
        network: the network's state dict at its end.
        fingerprint: sha256 of the data.
    """

    report: EpochReport
    network: dict[str, Tensor]
    fingerprint: str

    def save(self, path: Path) -> None:
        """Replace the file, atomically."""
        save_tensors(path, vars(self) | {"report": self.report.model_dump(mode="json")})

    @classmethod
    def load(cls, path: Path) -> "BestEpoch":
        """Read the file.

        Raises:
            CheckpointError: it is damaged, or of another format.
        """
        content = load_tensors(path, _REMEDY)
        try:
            report = EpochReport.model_validate(content.pop("report"))
            return cls(report=report, **content)
        except (KeyError, TypeError, ValidationError) as error:
            message = f"{path} is damaged: it is no epoch of a run; {_REMEDY}"
            raise CheckpointError(message) from error


def put_weights(network: ForwardForwardNetwork, weights: dict[str, Tensor], where: str) -> None:
    """Load all weights of a stored state into a network.

    Raises:
        CheckpointError: they are of another network; the message says where they come from.
    """
    try:
        network.load_state_dict(weights, strict=True)
    except (KeyError, RuntimeError, ValueError) as error:
        message = f"{where} is not of this run's network"
        raise CheckpointError(message) from error
