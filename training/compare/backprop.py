"""The same network trained end to end: gradients cross the layers, from one loss on top."""

from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812  torch's own convention
from torch import Tensor, nn

from model.network.block import ForwardForwardBlock
from model.network.stack import ForwardForwardNetwork
from training.fit.device import autocast
from training.fit.optimiser import LocalOptimizer, Parameters, learning_rate
from training.objective.objective import Moment
from training.settings.sections import OptimiserSettings


class Connected(NamedTuple):
    """What a block gives when gradients may flow back through it.

    Attributes:
        activity: `(N, C, H', W')`, at least 0.
        passed: the next block's input, as `ForwardForwardBlock.pass_on` gives it.
    """

    activity: Tensor
    passed: Tensor


def connected(block: ForwardForwardBlock, x: Tensor, precision: str = "float32") -> Connected:
    """Compute what a block computes, without detaching its input or what it passes on.

    Args:
        block: whatever its mode.
        x: `(N, in_channels, H, W)`, float.
        precision: of the convolution, float32 or bfloat16.
    """
    spec = block.spec
    if spec.starts_stage:
        x = F.max_pool2d(x, 2) if spec.stage_pooling == "max" else F.avg_pool2d(x, 2)
    prepared = block.input_norm(x)
    with autocast(x.device, precision):
        activity = block.activity(prepared)
    if spec.concatenates:
        return Connected(activity, torch.cat([activity, prepared.to(activity.dtype)], dim=1))
    return Connected(activity, activity + prepared if spec.has_shortcut else activity)


def network_input(network: ForwardForwardNetwork, images: Tensor, precision: str) -> Tensor:
    """Turn `(N, H, W, 3)` uint8 pixels into the first block's input, laid out as in training."""
    x = network.normalised(images).contiguous(memory_format=torch.channels_last)
    return x.to(torch.bfloat16) if precision == "bfloat16" else x


def last_goodness(
    network: ForwardForwardNetwork, images: Tensor, precision: str = "float32"
) -> Tensor:
    """Score the classes by the last layer alone, `(N, K)`, float32; gradients reach all layers."""
    x = network_input(network, images, precision)
    *lower, last = network.layers()
    for block in lower:
        x = connected(block, x, precision).passed
    return scores_of(last, connected(last, x, precision).activity)


def scores_of(block: ForwardForwardBlock, activity: Tensor) -> Tensor:
    """Read a layer's scores, `(N, K)`, float32, as training reads them."""
    return block.read_means(block.pooled(activity)).scaled_goodness


class BackpropUpdate:
    """Takes steps on a whole network by backpropagation, with one optimizer."""

    def __init__(
        self,
        network: ForwardForwardNetwork,
        settings: OptimiserSettings,
        precision: str = "float32",
        label_smoothing: float = 0.0,
    ) -> None:
        """Group the parameters as each layer's own optimizer would."""
        self._network = network
        self._settings = settings
        self._precision = precision
        self._label_smoothing = label_smoothing
        self._optimizer = end_to_end_optimizer(network, settings)

    def step(self, images: Tensor, labels: Tensor, at: Moment) -> Tensor:
        """Learn from one batch.

        Args:
            images: `(N, H, W, 3)`, uint8.
            labels: `(N,)`, int64.
            at: the place in the run, which decides the rate.

        Returns:
            The cross-entropy of the last layer's scores: a scalar, in nats, detached.
        """
        for block in self._network.layers():
            block.begin_epoch(at.epoch)
        self._optimizer.set_rate(learning_rate(self._settings, at))
        scores = last_goodness(self._network, images, self._precision)
        loss = F.cross_entropy(scores, labels, label_smoothing=self._label_smoothing)
        loss.backward()  # type: ignore[no-untyped-call]
        if self._settings.max_gradient_norm is not None:
            nn.utils.clip_grad_norm_(self._network.parameters(), self._settings.max_gradient_norm)
        self._optimizer.step()
        return loss.detach()


def learned(network: ForwardForwardNetwork) -> list[nn.Parameter]:
    """List what the loss on top teaches: no whitened stem, no readout below the last layer."""
    unread = {id(p) for block in network.layers()[:-1] for p in Parameters.of(block).readout}
    return [p for p in network.parameters() if p.requires_grad and id(p) not in unread]


def end_to_end_optimizer(
    network: ForwardForwardNetwork, settings: OptimiserSettings
) -> LocalOptimizer:
    """Give the whole network one optimizer, of the kind that each layer has by itself."""
    layers = [Parameters.of(block) for block in network.layers()]
    convolutions = [weight for layer in layers for weight in layer.convolutions]
    norms = [parameter for layer in layers for parameter in layer.norms]
    return LocalOptimizer(Parameters(convolutions, norms, layers[-1].readout), settings)
