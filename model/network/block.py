"""One Forward-Forward block: a convolution that learns from its own goodness alone."""

from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812  torch's own convention
from torch import Tensor, nn

from model.network.assignment import ASSIGNMENTS
from model.network.goodness import class_goodness, region_means
from model.network.spec import BlockSpec


class Readout(NamedTuple):
    """What a block reads from its activity.

    Attributes:
        means: `(N, D)`, float32, the mean activity of every channel-region.
        standardised: `(N, D)`, float32, how much more active than usual each one is.
        scaled_goodness: `(N, K)`, float32, the classes' scores by this layer alone; each row
            sums to 0.
    """

    means: Tensor
    standardised: Tensor
    scaled_goodness: Tensor


class ForwardForwardBlock(nn.Module):
    """Standardised input, 3 x 3 convolution, batch norm, ReLU; read as class goodness.

    No gradient enters or leaves: the input is detached, and so is what is passed on.

    Source: arXiv 2606.09928; mean goodness and the detached normalisation between layers
        after DeeperForward (ICLR 2025).
    """

    def __init__(self, spec: BlockSpec, generator: torch.Generator) -> None:
        """Draw the initial weights from `generator` alone."""
        super().__init__()
        self.spec = spec
        self.conv = nn.Conv2d(spec.in_channels, spec.channels, 3, padding=1, bias=False)
        # Convolution first, assignment second: a seed means its weights in this order.
        nn.init.kaiming_normal_(self.conv.weight, generator=generator)
        self.norm = nn.BatchNorm2d(spec.channels)
        self.goodness_norm = nn.BatchNorm1d(spec.num_channel_regions, affine=False)
        self.input_norm = _input_norm(spec)
        self.scale = nn.Parameter(torch.ones(()))
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
            halved = F.max_pool2d(x, 2) if self.spec.starts_stage else x
            standardised: Tensor = self.input_norm(halved)
        return standardised

    def activity(self, prepared: Tensor) -> Tensor:
        """Convolve, normalise, rectify: `(N, C, H', W')`, at least 0."""
        return F.relu(self.norm(self.conv(prepared)))

    def read(self, activity: Tensor) -> Readout:
        """Score the classes by this layer alone.

        Args:
            activity: `(N, C, H', W')`; the means are taken in its own precision, all that
                follows is float32.

        Returns:
            The readout; in training standardised by the batch's statistics, which also move
            the running ones, else by the running ones.
        """
        return self.read_means(region_means(activity, self.spec.regions).float())

    def read_means(self, means: Tensor) -> Readout:
        """Score the classes by the mean activity `(N, D)`, float32, of every channel-region."""
        standardised: Tensor = self.goodness_norm(means)
        scaled = self.scale * class_goodness(standardised, self.assignment())
        return Readout(means, standardised, scaled)

    def pass_on(self, activity: Tensor, prepared: Tensor) -> Tensor:
        """Give the next layer its input: the activity, plus the shortcut.

        Args:
            activity: `(N, C, H', W')`.
            prepared: `(N, in_channels, H', W')`, this block's prepared input.

        Returns:
            `(N, C, H', W')`, carrying no gradient.
        """
        passed = activity.detach()
        return passed + prepared if self.spec.has_shortcut else passed


def _input_norm(spec: BlockSpec) -> nn.Module:
    """Standardise by running statistics; the pixels come standardised already."""
    return nn.Identity() if spec.is_stem else nn.BatchNorm2d(spec.in_channels, affine=False)
