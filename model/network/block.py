"""One Forward-Forward block: a convolution that learns from its own goodness alone."""

from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812  torch's own convention
from torch import Tensor, nn

from model.network.assignment import ASSIGNMENTS, TemperedAssignment
from model.network.goodness import CLASS_WEIGHTS
from model.network.normalisation import input_norm
from model.network.pooling import pooled
from model.network.spec import BlockSpec


class Readout(NamedTuple):
    """What a block reads from its activity.

    Attributes:
        means: `(N, D)`, float32, what every channel-region says: its mean activity, or what
            else the spec pools.
        standardised: `(N, D)`, float32, how much more active than usual each one is; where the
            readout does not standardise, `means` itself.
        scaled_goodness: `(N, K)`, float32, the classes' scores by this layer alone; each row
            sums to 0.
    """

    means: Tensor
    standardised: Tensor
    scaled_goodness: Tensor


class ForwardForwardBlock(nn.Module):
    """Standardised input, 3 x 3 convolution, batch norm or none, ReLU; read as class goodness.

    A layer of two convolutions has the last three twice, and one goodness: its own setting, which
    arXiv 2606.09928 does not know.

    No gradient enters or leaves: the input is detached, and so is what is passed on.

    Source: arXiv 2606.09928; mean goodness and the detached normalisation between layers
        after DeeperForward (ICLR 2025).
    """

    def __init__(self, spec: BlockSpec, generator: torch.Generator) -> None:
        """Draw the initial weights from `generator` alone."""
        super().__init__()
        self.spec = spec
        # Convolutions first, assignment second: a seed means its weights in this order.
        given = spec.in_channels
        if spec.convolutions == 2:  # noqa: PLR2004  the inner one and the outer one
            self.inner_conv, self.inner_norm = _convolution(given, spec, generator)
            given = spec.channels
        self.conv, self.norm = _convolution(given, spec, generator)
        standardises = spec.readout == "standardised"
        self.goodness_norm = (
            nn.BatchNorm1d(spec.num_channel_regions, affine=False)
            if standardises
            else nn.Identity()
        )
        self.input_norm = input_norm(spec)
        self.scale: Tensor
        if standardises:
            self.scale = nn.Parameter(torch.ones(()))
        else:
            self.register_buffer("scale", torch.ones(()), persistent=False)
        self.assignment = ASSIGNMENTS[spec.assignment](spec, generator)

    def prepared(self, x: Tensor) -> Tensor:
        """Detach the input, halve its grid if a stage begins here, and standardise it.

        Args:
            x: `(N, in_channels, H, W)`, float.

        Returns:
            `(N, in_channels, H', W')`, carrying no gradient: how much any channel before this
            layer is active does not reach it, only where and in which proportion.
        """
        with torch.no_grad():
            # `pass_on` detaches too; here it holds for every input, wherever it comes from.
            x = x.detach()
            if self.spec.starts_stage:
                pool = F.max_pool2d if self.spec.stage_pooling == "max" else F.avg_pool2d
                x = pool(x, 2)
            standardised: Tensor = self.input_norm(x)
        return standardised

    def convolved(self) -> list[tuple[nn.Conv2d, nn.Module]]:
        """List each convolution with the norm behind it, the inner one first."""
        outer = (self.conv, self.norm)
        is_double = self.spec.convolutions == 2  # noqa: PLR2004
        return [(self.inner_conv, self.inner_norm), outer] if is_double else [outer]

    def activity(self, prepared: Tensor) -> Tensor:
        """Convolve, normalise, rectify, once or twice: `(N, C, H', W')`, at least 0."""
        last = self.convolved()[-1][1]
        return F.relu(last(self.raw(prepared, -1)))

    def raw(self, prepared: Tensor, convolution: int) -> Tensor:
        """Give what a convolution hands to its norm: `(N, C, H', W')`.

        Args:
            prepared: `(N, in_channels, H', W')`.
            convolution: of the layer, 0 for the inner one; -1 is the last.
        """
        before, (conv, _) = self.convolved()[:convolution], self.convolved()[convolution]
        for inner_conv, norm in before:
            prepared = F.relu(norm(inner_conv(prepared)))
        found: Tensor = conv(prepared)
        return found

    def read(self, activity: Tensor) -> Readout:
        """Score the classes by this layer alone.

        Args:
            activity: `(N, C, H', W')`; the means are taken in its own precision, all that
                follows is float32.

        Returns:
            The readout; in training standardised by the batch's statistics, which also move
            the running ones, else by the running ones.
        """
        return self.read_means(self.pooled(activity))

    def pooled(self, activity: Tensor) -> Tensor:
        """Pool the activity `(N, C, H', W')` over regions: `(N, D)`, float32."""
        return pooled(activity, self.spec.regions, self.spec).float()

    def read_means(self, means: Tensor, assignment: Tensor | None = None) -> Readout:
        """Score the classes by what every channel-region says.

        Args:
            means: `(N, D)`, float32.
            assignment: `(D, K)`, float32, this layer's own where it is at hand already.
        """
        standardised: Tensor = self.goodness_norm(means)
        known = self.assignment() if assignment is None else assignment
        weights = CLASS_WEIGHTS[self.spec.readout](known)
        return Readout(means, standardised, self.scale * (standardised @ weights))

    def class_weights(self) -> Tensor:
        """Give the weight `(D, K)` of every channel-region in each class's scaled goodness."""
        return self.scale * CLASS_WEIGHTS[self.spec.readout](self.assignment())

    def usual(self) -> tuple[Tensor, Tensor]:
        """Give what every channel-region usually says, and its spread, by running statistics.

        Returns:
            `(D,)` each, float32: less the first, over the second, `means` are `standardised` in
            evaluation mode; 0 and 1 where the readout does not standardise.
        """
        norm = self.goodness_norm
        if isinstance(norm, nn.BatchNorm1d):
            mean, variance = norm.get_buffer("running_mean"), norm.get_buffer("running_var")
            return mean, (variance + norm.eps).sqrt()
        none = torch.zeros(self.spec.num_channel_regions, device=self.scale.device)
        return none, torch.ones_like(none)

    def begin_epoch(self, epoch: int) -> None:
        """Take note that so many epochs of training are over."""
        if isinstance(self.assignment, TemperedAssignment):
            self.assignment.begin_epoch(epoch)

    def pass_on(self, activity: Tensor, prepared: Tensor) -> Tensor:
        """Give the next layer its input: the activity, plus or beside the shortcut.

        Args:
            activity: `(N, C, H', W')`.
            prepared: `(N, in_channels, H', W')`, this block's prepared input.

        Returns:
            `(N, C, H', W')`, carrying no gradient; if the spec concatenates, in_channels more,
            behind those C.

        Source: both parameter-free shortcuts after DeeperForward (ICLR 2025); adding at every
            layer, not at every second one, is ours.
        """
        passed = activity.detach()
        if self.spec.concatenates:
            return torch.cat([passed, prepared.to(passed.dtype)], dim=1)
        return passed + prepared if self.spec.has_shortcut else passed


def _convolution(
    in_channels: int, spec: BlockSpec, generator: torch.Generator
) -> tuple[nn.Conv2d, nn.Module]:
    """Draw a convolution, and make the norm behind it."""
    conv = nn.Conv2d(in_channels, spec.channels, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(conv.weight, generator=generator)
    has_norm = spec.activity_norm == "batch"
    return conv, nn.BatchNorm2d(spec.channels) if has_norm else nn.Identity()
