"""Where in a run training stands."""

from typing import NamedTuple

import torch
from torch import Tensor


class Position(NamedTuple):
    """Steps taken of an epoch, and what they lost.

    Attributes:
        epoch: in progress, from 0.
        step: steps of it taken.
        loss_sum: `(L,)`, each layer's losses over those steps, on the device: reading it
            waits for the GPU.
    """

    epoch: int
    step: int
    loss_sum: Tensor

    @classmethod
    def start(cls, epoch: int, num_layers: int, device: torch.device) -> "Position":
        """Stand before the first step of an epoch."""
        return cls(epoch, 0, torch.zeros(num_layers, device=device))

    def after(self, losses: Tensor) -> "Position":
        """Stand one step further."""
        return Position(self.epoch, self.step + 1, self.loss_sum + losses)

    def mean_losses(self) -> tuple[float, ...]:
        """Give each layer's mean loss over the steps taken, first layer first."""
        return tuple((self.loss_sum / self.step).tolist())
