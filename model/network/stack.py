"""The residual stack of Forward-Forward blocks, read as one classifier."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

from model.network.block import Assignment, BlockSpec, ForwardForwardBlock


@dataclass(frozen=True)
class NetworkSpec:
    """The shape of a whole network.

    Attributes:
        image_height: rows of the input, H.
        image_width: columns of the input, W.
        num_classes: K, at least 2.
        widths: channels of each layer.
        pool_before: 1-based layers that begin a stage with 2 x 2 max pooling.
        regions: R; a layer whose grid is smaller than R reads each position by itself.
        shortcut: whether layers inside a stage add their input to what they pass on.
        assignment: learnable, or the older methods' fixed equal partition.
    """

    image_height: int
    image_width: int
    num_classes: int
    widths: tuple[int, ...]
    pool_before: tuple[int, ...]
    regions: int
    shortcut: bool
    assignment: Assignment

    def blocks(self) -> list[BlockSpec]:
        """Work out every block's shape.

        Raises:
            ValueError: fewer than two classes, no layers, or a grid pooled away to nothing.
        """
        self._check()
        specs: list[BlockSpec] = []
        height, width, in_channels = self.image_height, self.image_width, 3
        for layer, channels in enumerate(self.widths, start=1):
            starts_stage = layer in self.pool_before
            if starts_stage:
                height, width = height // 2, width // 2
            if min(height, width) < 1:
                message = (
                    f"layer {layer} has no positions left: an image of {self.image_height} x "
                    f"{self.image_width} cannot be pooled that often; pool fewer times"
                )
                raise ValueError(message)
            inside_stage = layer > 1 and not starts_stage
            specs.append(
                BlockSpec(
                    name="stem" if layer == 1 else f"block{layer}",
                    in_channels=in_channels,
                    channels=channels,
                    starts_stage=starts_stage,
                    has_shortcut=self.shortcut and inside_stage and in_channels == channels,
                    regions=(min(self.regions, height), min(self.regions, width)),
                    num_classes=self.num_classes,
                    assignment=self.assignment,
                )
            )
            in_channels = channels
        return specs

    def _check(self) -> None:
        if self.num_classes < 2:  # noqa: PLR2004  a classifier tells at least two apart
            message = f"a classifier needs at least 2 classes, got {self.num_classes}"
            raise ValueError(message)
        if not self.widths or min(self.widths) < 1:
            message = f"every layer needs at least one channel, got widths {self.widths}"
            raise ValueError(message)
        if self.regions < 1:
            message = f"regions must be at least 1, got {self.regions}"
            raise ValueError(message)
        beyond = [layer for layer in self.pool_before if not 1 <= layer <= len(self.widths)]
        if beyond:
            message = f"pool_before names layers {beyond}, but there are {len(self.widths)}"
            raise ValueError(message)


class Classification(NamedTuple):
    """What the network says of a batch.

    Attributes:
        scores: `(N, K)`, float32, each row sums to 0.
        probabilities: `(N, K)`, float32, each row sums to 1.
        contributions: `(N, L, K)`, float32, which summed over L are the scores.
    """

    scores: Tensor
    probabilities: Tensor
    contributions: Tensor


class ForwardForwardNetwork(nn.Module):
    """A stack of blocks whose weighted goodness is the class score.

    Normalisation lives inside: the input is plain uint8 pixels. The layer contributions
    and the temperature are set once, from the validation split, by `calibrate`.

    Source: arXiv 2606.09928.
    """

    def __init__(self, spec: NetworkSpec, seed: int) -> None:
        """Draw every initial weight from `seed` alone."""
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.spec = spec
        self.blocks = nn.ModuleList(ForwardForwardBlock(b, generator) for b in spec.blocks())
        layers = len(self.blocks)
        self.register_buffer("pixel_mean", torch.full((3,), 0.5))
        self.register_buffer("pixel_deviation", torch.full((3,), 0.25))
        self.register_buffer("layer_weights", torch.full((layers,), 1 / layers))
        self.register_buffer("temperature", torch.ones(()))

    def layers(self) -> list[ForwardForwardBlock]:
        """List the blocks, first to last."""
        return [block for block in self.blocks if isinstance(block, ForwardForwardBlock)]

    def set_pixel_statistics(self, mean: Tensor, deviation: Tensor) -> Self:
        """Keep the training split's `(3,)` mean and standard deviation, in units of 0 to 1."""
        self.get_buffer("pixel_mean").copy_(mean)
        self.get_buffer("pixel_deviation").copy_(deviation)
        return self

    def calibrate(self, layer_weights: Tensor, temperature: float) -> Self:
        """Keep the layers' weights `(L,)` and the temperature of the probabilities."""
        self.get_buffer("layer_weights").copy_(layer_weights)
        self.get_buffer("temperature").fill_(temperature)
        return self

    def normalised(self, images: Tensor) -> Tensor:
        """Turn `(N, H, W, 3)` uint8 pixels into the first block's `(N, 3, H, W)` float32."""
        mean, deviation = self.get_buffer("pixel_mean"), self.get_buffer("pixel_deviation")
        unit = images.to(torch.float32) / 255
        return ((unit - mean) / deviation).permute(0, 3, 1, 2)

    def scaled_goodness(self, images: Tensor) -> Tensor:
        """Score the classes by each layer alone.

        Args:
            images: `(N, H, W, 3)`, uint8.

        Returns:
            `(N, L, K)`, float32.
        """
        read = [block.scaled_goodness(activity) for block, activity in self._activities(images)]
        return torch.stack(read, dim=1)

    def combine(self, scaled_goodness: Tensor) -> Classification:
        """Weigh the layers' `(N, L, K)` scores into one classifier."""
        contributions = self.get_buffer("layer_weights")[:, None] * scaled_goodness
        scores = contributions.sum(dim=1)
        probabilities = torch.softmax(scores / self.get_buffer("temperature"), dim=1)
        return Classification(scores, probabilities, contributions)

    def forward(self, images: Tensor) -> Classification:
        """Classify `(N, H, W, 3)` uint8 images."""
        return self.combine(self.scaled_goodness(images))

    def channel_contributions(self, images: Tensor) -> list[Tensor]:
        """Take the scores apart by layer and channel-region, in evaluation mode.

        Args:
            images: `(N, H, W, 3)`, uint8.

        Returns:
            L tensors `(N, C_l, R_l, R_l, K)`, float32; all of them summed over layers,
            channels and regions are the scores. Summed over the regions alone they are the
            channels' contributions.
        """
        weights = self.get_buffer("layer_weights")
        parts = [block.scaled_channels(activity) for block, activity in self._activities(images)]
        return [weight * part for weight, part in zip(weights, parts, strict=True)]

    def position_contributions(self, images: Tensor) -> list[Tensor]:
        """Take the scores apart by layer and position, in evaluation mode.

        Args:
            images: `(N, H, W, 3)`, uint8.

        Returns:
            L tensors `(N, H_l, W_l, K)`, float32, on each layer's own grid; all of them
            summed over layers and positions are the scores.
        """
        weights = self.get_buffer("layer_weights")
        parts = [block.scaled_positions(activity) for block, activity in self._activities(images)]
        return [weight * part for weight, part in zip(weights, parts, strict=True)]

    def _activities(self, images: Tensor) -> Iterator[tuple[ForwardForwardBlock, Tensor]]:
        """Go up the stack: each block with its activity, nothing flowing back."""
        x = self.normalised(images)
        for block in self.layers():
            pooled = block.pooled(x)
            activity = block.activity(pooled)
            yield block, activity
            x = block.pass_on(activity, pooled)
