"""One layer-local step: every layer learns from its own loss, and owns its own optimizer."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from model.network.block import ForwardForwardBlock
from model.network.stack import ForwardForwardNetwork
from training.fit.device import autocast
from training.fit.fused import can_fuse, frozen_activity, fused_pass
from training.fit.optimiser import LocalOptimizer, Parameters, layer_moment, learning_rate
from training.fit.prefix import Passed
from training.objective.objective import Moment, Objective
from training.objective.view import LayerView
from training.parallel.group import ALONE, Group
from training.settings.sections import OptimiserSettings


class LocalUpdate:
    """Takes steps on a network, one layer after the other, no gradient crossing over."""

    def __init__(
        self,
        network: ForwardForwardNetwork,
        settings: OptimiserSettings,
        objective: Objective,
        precision: str = "float32",
        group: Group = ALONE,
    ) -> None:
        """Give each layer an optimizer of its own."""
        group.join(network)
        self._group = group
        self._network = network
        self._layers = network.layers()
        self._settings = settings
        self._objective = objective
        self._precision = precision
        self._dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
        self._optimizers = [
            LocalOptimizer(Parameters.of(block), settings) for block in self._layers
        ]

    def step(self, images: Tensor, labels: Tensor, at: Moment) -> Tensor:
        """Let every layer that still learns do so from one batch.

        Args:
            images: `(n, H, W, 3)`, uint8: this process' share of the batch, or all N of it.
            labels: `(N,)`, int64, of the whole batch.
            at: the place in the run, which decides rates and weights.

        Returns:
            `(L,)`, each layer's local loss in nats on the whole batch, detached.
        """
        return self.step_passed(self.frozen(images), labels, at)

    def frozen(self, images: Tensor) -> Passed:
        """Pass a batch through the layers that `freeze` names; nothing of them moves.

        Args:
            images: `(N, H, W, 3)`, uint8.
        """
        x = self._network.normalised(images).contiguous(memory_format=torch.channels_last)
        x = x.to(self._dtype)
        means = []
        for block in self._layers[: self._settings.freeze]:
            with torch.no_grad(), in_evaluation(block):
                x, found = _evaluated(block, x)
            means.append(found)
        return Passed(x, tuple(means))

    def step_passed(self, passed: Passed, labels: Tensor, at: Moment) -> Tensor:
        """Let every layer that still learns do so from what the frozen ones make of a batch.

        Of a layer that `freeze` names only the readout learns.

        Args:
            passed: what `frozen` gave of this process' share of the batch.
            labels: `(N,)`, int64, of the whole batch.
            at: the place in the run, which decides rates and weights.

        Returns:
            `(L,)`, each layer's local loss in nats on the whole batch, detached.
        """
        x, frozen = passed.x, self._settings.freeze
        losses = [
            self._step_readout(number, means, labels, at)
            for number, means in enumerate(passed.means)
        ]
        for number in range(frozen, len(self._layers)):
            block, optimizer = self._layers[number], self._optimizers[number]
            own = layer_moment(self._settings, number, at)
            if own is None:
                x, loss = self._pass_frozen(block, x, labels, at)
            else:
                block.begin_epoch(at.epoch)
                optimizer.set_rate(learning_rate(self._settings, own))
                # Under the same name: what the layer below passed on is not kept beside it.
                x = block.prepared(x)
                x, loss = self._step_layer(block, optimizer, x, labels, at)
            losses.append(loss)
        self._group.settle()
        return torch.stack(losses)

    def _step_readout(self, number: int, means: Tensor, labels: Tensor, at: Moment) -> Tensor:
        """Step the readout of a frozen layer by its means `(n, D)`; return its loss, detached."""
        block, optimizer = self._layers[number], self._optimizers[number]
        block.begin_epoch(at.epoch)
        optimizer.set_rate(learning_rate(self._settings, at))
        loss = self._loss(block, means, labels, at)
        self._learn(block, optimizer, loss)
        return loss.detach()

    def _step_layer(
        self,
        block: ForwardForwardBlock,
        optimizer: LocalOptimizer,
        prepared: Tensor,
        labels: Tensor,
        at: Moment,
    ) -> tuple[Tensor, Tensor]:
        """Step one layer; return what it passes on and its loss, both detached."""
        means, activity = self._pass(block, prepared)
        loss = self._loss(block, means, labels, at)
        self._learn(block, optimizer, loss)
        # What is passed on is the activity before the step: the one after needs another forward.
        return block.pass_on(activity, prepared), loss.detach()

    def _loss(
        self, block: ForwardForwardBlock, means: Tensor, labels: Tensor, at: Moment
    ) -> Tensor:
        """Work out a layer's loss on the whole batch, whichever share the means `(n, D)` are of."""
        every = self._group.gathered(means, len(labels))
        return self._objective(view_of(block, every, labels), at)

    def _learn(self, block: ForwardForwardBlock, optimizer: LocalOptimizer, loss: Tensor) -> None:
        """Take one step down a layer's loss, when the gradients are those of the whole batch."""
        if not loss.requires_grad:  # a fixed assignment, read plainly, of filters that are fixed
            return
        loss.backward()  # type: ignore[no-untyped-call]
        self._group.add_up(block, functools.partial(self._move, block, optimizer))

    def _move(self, block: ForwardForwardBlock, optimizer: LocalOptimizer) -> None:
        """Move a layer's weights by its gradients, and drop these."""
        if self._settings.max_gradient_norm is not None:
            nn.utils.clip_grad_norm_(block.parameters(), self._settings.max_gradient_norm)
        optimizer.step()

    def _pass(self, block: ForwardForwardBlock, prepared: Tensor) -> tuple[Tensor, Tensor]:
        """Give a block's means and activity, by the shorter way where there is one."""
        if can_fuse(block, prepared):
            return fused_pass(block, prepared)
        with autocast(prepared.device, self._precision):
            activity = block.activity(prepared)
        return block.pooled(activity), activity

    def _pass_frozen(
        self, block: ForwardForwardBlock, x: Tensor, labels: Tensor, at: Moment
    ) -> tuple[Tensor, Tensor]:
        """Pass a batch through a layer that no longer learns, nor moves its statistics."""
        with torch.no_grad(), in_evaluation(block):
            passed, means = _evaluated(block, x)
            loss = self._loss(block, means, labels, at)
        return passed, loss

    def state_dict(self) -> list[dict[str, Any]]:
        """Give every optimizer's state, first layer first."""
        return [optimizer.state_dict() for optimizer in self._optimizers]

    def load_state_dict(self, states: list[dict[str, Any]]) -> None:
        """Put every optimizer back where `state_dict` found it."""
        for optimizer, state in zip(self._optimizers, states, strict=True):
            optimizer.load_state_dict(state)


def view_of(block: ForwardForwardBlock, means: Tensor, labels: Tensor) -> LayerView:
    """Gather what the terms of a layer's loss may read.

    Args:
        block: the layer.
        means: `(N, D)`, float32, of one batch.
        labels: `(N,)`, int64.
    """
    assignment = block.assignment()
    readout = block.read_means(means, assignment)
    return LayerView(
        scaled_goodness=readout.scaled_goodness,
        labels=labels,
        assignment=assignment,
        means=means,
        standardised=readout.standardised,
        channel_means=means.view(len(means), block.spec.channels, -1).mean(2),
    )


def _evaluated(block: ForwardForwardBlock, x: Tensor) -> tuple[Tensor, Tensor]:
    """Give what a block in evaluation passes on, and its means `(N, D)`."""
    prepared = block.prepared(x)
    activity = frozen_activity(block, prepared)
    return block.pass_on(activity, prepared), block.pooled(activity)


@contextmanager
def in_evaluation(block: ForwardForwardBlock) -> Iterator[None]:
    """Use a block's running statistics for a while, and leave them as they are."""
    was_training = block.training
    block.eval()
    try:
        yield
    finally:
        block.train(was_training)
