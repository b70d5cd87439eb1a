"""The state of a run between two steps."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from torch import Tensor

from training.errors import CheckpointError
from training.results.report import EpochReport
from training.results.stored import load_tensors, save_tensors

_REMEDY = "take it away to begin the run again from its first epoch with --resume"


@dataclass(frozen=True)
class Checkpoint:
    """Everything that a run needs to go on as if it had never stopped.

    Chance needs no place here: every generator is seeded by seed, epoch and step.

    Attributes:
        epoch: the epoch in progress, from 0.
        step: steps of it already taken.
        loss_sum: `(L,)`, the local losses of those steps, added up.
        network: the network's state dict.
        optimizers: every layer's optimizer state dict.
        epochs: reports of the epochs so far.
        fingerprint: sha256 of the data the run began on.
        seconds: of training so far, validation included.
    """

    epoch: int
    step: int
    loss_sum: Tensor
    network: dict[str, Tensor]
    optimizers: list[dict[str, Any]]
    epochs: tuple[EpochReport, ...]
    fingerprint: str
    seconds: float = 0.0

    def save(self, path: Path) -> None:
        """Replace the file, atomically."""
        epochs = [epoch.model_dump(mode="json") for epoch in self.epochs]
        save_tensors(path, vars(self) | {"epochs": epochs})

    @classmethod
    def load(cls, path: Path) -> "Checkpoint":
        """Read the file.

        Raises:
            CheckpointError: it is damaged, or of another format.
        """
        content = load_tensors(path, _REMEDY)
        try:
            epochs = tuple(EpochReport.model_validate(each) for each in content.pop("epochs"))
            return cls(**content, epochs=epochs)
        except (KeyError, TypeError, ValidationError) as error:
            message = f"{path} is damaged: it is no checkpoint of a run; {_REMEDY}"
            raise CheckpointError(message) from error
