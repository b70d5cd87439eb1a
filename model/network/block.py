"""One Forward-Forward block: a convolution that learns from its own goodness alone."""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812  torch's own convention
from torch import Tensor, nn

from model.network.goodness import (
    channel_contributions,
    class_goodness,
    fixed_assignment,
    position_contributions,
    region_means,
)

Assignment = Literal["learnable", "fixed"]

# Started near uniform: from a fixed partition, learning loses nine points (CIFAR-10, screened).
_ASSIGNMENT_NOISE = 0.01


@dataclass(frozen=True)
class BlockSpec:
    """The shape of one block.

    Attributes:
        name: what explanations call this layer.
        in_channels: channels of its input.
        channels: channels of its activity, C.
        starts_stage: whether its input is 2 x 2 max-pooled first.
        has_shortcut: whether its input is added to what it passes on.
        regions: regions down and across in which a channel is read.
        num_classes: K.
        assignment: learnable, or the older methods' fixed equal partition.
    """

    name: str
    in_channels: int
    channels: int
    starts_stage: bool
    has_shortcut: bool
    regions: tuple[int, int]
    num_classes: int
    assignment: Assignment

    @property
    def num_channel_regions(self) -> int:
        """D, the rows of the assignment."""
        return self.channels * self.regions[0] * self.regions[1]


class ForwardForwardBlock(nn.Module):
    """3 x 3 convolution, batch norm, ReLU; read as class goodness, passed on normalised.

    No gradient enters or leaves: the input is detached, and so is what is passed on.

    Source: arXiv 2606.09928; mean goodness and the detached normalisation between layers
        after DeeperForward (ICLR 2025).
    """

    def __init__(self, spec: BlockSpec, generator: torch.Generator) -> None:
        """Draw the initial weights from `generator` alone."""
        super().__init__()
        self.spec = spec
        self.conv = nn.Conv2d(spec.in_channels, spec.channels, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(self.conv.weight, generator=generator)
        self.norm = nn.BatchNorm2d(spec.channels)
        self.goodness_norm = nn.BatchNorm1d(spec.num_channel_regions, affine=False)
        self.output_norm = nn.BatchNorm2d(spec.channels, affine=False)
        self.scale = nn.Parameter(torch.ones(()))
        if spec.assignment == "fixed":
            partition = fixed_assignment(spec.channels, spec.regions, spec.num_classes)
            self.register_buffer("partition", partition)
        else:
            logits = torch.empty(spec.num_channel_regions, spec.num_classes)
            nn.init.normal_(logits, std=_ASSIGNMENT_NOISE, generator=generator)
            self.assignment_logits = nn.Parameter(logits)

    def assignment(self) -> Tensor:
        """Say for which classes each channel-region speaks: `(D, K)`, rows sum to 1."""
        if self.spec.assignment == "fixed":
            return self.get_buffer("partition")
        return torch.softmax(self.assignment_logits, dim=1)

    def pooled(self, x: Tensor) -> Tensor:
        """Detach the input and halve its grid if a stage begins here.

        Args:
            x: `(N, in_channels, H, W)`, float.

        Returns:
            `(N, in_channels, H', W')`, carrying no gradient.
        """
        x = x.detach()
        return F.max_pool2d(x, 2) if self.spec.starts_stage else x

    def activity(self, pooled: Tensor) -> Tensor:
        """Convolve, normalise, rectify: `(N, C, H', W')`, at least 0."""
        return F.relu(self.norm(self.conv(pooled)))

    def standardised(self, activity: Tensor) -> Tensor:
        """Say how much more active than usual each channel-region is.

        Args:
            activity: `(N, C, H', W')`.

        Returns:
            `(N, D)`, float32; in training by the batch's statistics, else by the running ones.
            The means are of the activity's own precision, all that follows is float32.
        """
        means = region_means(activity, self.spec.regions).float()
        standardised: Tensor = self.goodness_norm(means)
        return standardised

    def scaled_goodness(self, activity: Tensor) -> Tensor:
        """Score the classes by this layer alone: `(N, K)`, float32, each row sums to 0."""
        return self.scale * class_goodness(self.standardised(activity), self.assignment())

    def scaled_channels(self, activity: Tensor) -> Tensor:
        """Take `scaled_goodness` apart by channel-region.

        Returns:
            `(N, C, R, R, K)`, float32, which summed over channels and regions is
            `scaled_goodness`.
        """
        parts = channel_contributions(self.standardised(activity), self.assignment())
        by_region = parts.view(-1, self.spec.channels, *self.spec.regions, self.spec.num_classes)
        return self.scale * by_region

    def scaled_positions(self, activity: Tensor) -> Tensor:
        """Take `scaled_goodness` apart by position, by the running statistics.

        Returns:
            `(N, H', W', K)`, float32, which summed over positions is `scaled_goodness` in eval.
        """
        norm = self.goodness_norm
        mean, variance = norm.get_buffer("running_mean"), norm.get_buffer("running_var")
        deviation = (variance + norm.eps).sqrt()
        regions = self.spec.regions
        assignment = self.assignment()
        return self.scale * position_contributions(
            activity.float(), mean, deviation, assignment, regions
        )

    def pass_on(self, activity: Tensor, pooled: Tensor) -> Tensor:
        """Give the next layer its input: the activity, plus the shortcut, standardised.

        Args:
            activity: `(N, C, H', W')`.
            pooled: `(N, in_channels, H', W')`, this block's pooled input.

        Returns:
            `(N, C, H', W')`, carrying no gradient.
        """
        with torch.no_grad():
            summed = activity + pooled if self.spec.has_shortcut else activity
            passed: Tensor = self.output_norm(summed)
        return passed
