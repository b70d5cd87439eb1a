"""Losses and weights that are no numbers any more: noticed soon, named exactly."""

import torch
from torch import Tensor

from model.network.stack import ForwardForwardNetwork
from training.errors import DivergenceError
from training.fit.position import Position

# Reading a loss makes the CPU wait for the GPU: not in every step.
_LOOKED_AT_EVERY = 32


class DivergenceWatch:
    """Keeps the losses of the last steps, and looks at them now and then."""

    def __init__(self) -> None:
        """Begin with none."""
        self._losses: list[Tensor] = []

    def see(self, losses: Tensor, position: Position) -> None:
        """Take the losses of a step, `(L,)`; look at them every few dozen steps.

        Raises:
            DivergenceError: one is no number; the message names layer, epoch and step.
        """
        self._losses.append(losses)
        if len(self._losses) == _LOOKED_AT_EVERY:
            self.look(position)

    def look(self, position: Position) -> None:
        """Look at the losses that no one has looked at yet.

        Args:
            position: after the last of these steps, all of one epoch.

        Raises:
            DivergenceError: one is no number; the message names layer, epoch and step.
        """
        if not self._losses:
            return
        losses, first = torch.stack(self._losses).cpu(), position.step - len(self._losses)
        self._losses.clear()
        bad = (~losses.isfinite()).nonzero()
        if len(bad):
            step, layer = bad[0].tolist()
            where = f"epoch {position.epoch + 1}, step {first + step + 1}"
            raise _diverged(layer, where, f"its loss is {losses[step, layer].item()}")


def refuse_broken_weights(network: ForwardForwardNetwork, position: Position) -> None:
    """Make sure that every weight is a number: the last loss was finite before its own step.

    Raises:
        DivergenceError: the message names layer, epoch and step.
    """
    for layer, block in enumerate(network.layers()):
        tensors = (*block.parameters(), *block.buffers())
        if not all(bool(tensor.isfinite().all()) for tensor in tensors):
            where = f"epoch {position.epoch + 1}, step {position.step}"
            raise _diverged(layer, where, "it has a weight that is no number")


def refuse_broken_goodness(goodness: Tensor) -> None:
    """Make sure that every layer gives numbers for the validation images: `(N, L, K)`.

    Raises:
        DivergenceError: the message names the layer.
    """
    bad = (~goodness.isfinite()).any(dim=2).any(dim=0).nonzero()
    if len(bad):
        raise _diverged(int(bad[0]), "validation", "its goodness is no number")


def _diverged(layer: int, where: str, what: str) -> DivergenceError:
    return DivergenceError(
        f"layer {layer + 1} diverged in {where}: {what}; start again with a lower learning_rate "
        "or assignment_rate; the last checkpoint is as it was, and can be exported"
    )
