"""One layer-local step: every layer learns from its own loss, and owns its own optimizer."""

from typing import Any

import torch
from torch import Tensor

from model.network.block import ForwardForwardBlock
from model.network.stack import ForwardForwardNetwork
from training.fit.device import autocast
from training.fit.optimiser import layer_optimizer, learning_rate, set_rate
from training.objective.objective import Moment, Objective
from training.objective.view import LayerView
from training.settings.sections import OptimiserSettings


class LocalUpdate:
    """Takes steps on a network, one layer after the other, no gradient crossing over."""

    def __init__(
        self,
        network: ForwardForwardNetwork,
        settings: OptimiserSettings,
        objective: Objective,
        precision: str = "float32",
    ) -> None:
        """Give each layer an AdamW of its own."""
        self._network = network
        self._settings = settings
        self._objective = objective
        self._precision = precision
        self._optimizers = [layer_optimizer(block, settings) for block in network.layers()]

    def step(self, images: Tensor, labels: Tensor, at: Moment) -> Tensor:
        """Let every layer learn from one batch.

        Args:
            images: `(N, H, W, 3)`, uint8.
            labels: `(N,)`, int64.
            at: the place in the run, which decides rates and weights.

        Returns:
            `(L,)`, each layer's local loss in nats, detached.
        """
        x = self._network.normalised(images).contiguous(memory_format=torch.channels_last)
        rate = learning_rate(self._settings, at)
        losses = []
        for block, optimizer in zip(self._network.layers(), self._optimizers, strict=True):
            set_rate(optimizer, rate)
            x, loss = self._step_layer(block, optimizer, x, labels, at)
            losses.append(loss)
        return torch.stack(losses)

    def _step_layer(
        self,
        block: ForwardForwardBlock,
        optimizer: torch.optim.Optimizer,
        x: Tensor,
        labels: Tensor,
        at: Moment,
    ) -> tuple[Tensor, Tensor]:
        """Step one layer; return what it passes on and its loss, both detached."""
        with autocast(x.device, self._precision):
            pooled = block.pooled(x)
            activity = block.activity(pooled)
        loss = self._objective(view_of(block, activity, labels), at)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        # What is passed on is the activity before the step: the one after needs another forward.
        return block.pass_on(activity, pooled), loss.detach()

    def state_dict(self) -> list[dict[str, Any]]:
        """Give every optimizer's state, first layer first."""
        return [optimizer.state_dict() for optimizer in self._optimizers]

    def load_state_dict(self, states: list[dict[str, Any]]) -> None:
        """Put every optimizer back where `state_dict` found it."""
        for optimizer, state in zip(self._optimizers, states, strict=True):
            optimizer.load_state_dict(state)


def view_of(block: ForwardForwardBlock, activity: Tensor, labels: Tensor) -> LayerView:
    """Gather what the terms of a layer's loss may read."""
    readout = block.read(activity)
    # The assignment is computed a second time rather than shared with the readout: sharing it
    # would add up its gradients in another order, and change the last bits of trained weights.
    return LayerView(
        scaled_goodness=readout.scaled_goodness,
        labels=labels,
        assignment=block.assignment(),
        means=readout.means,
        standardised=readout.standardised,
    )
