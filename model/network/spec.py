"""The shape of a network and of its blocks: plain numbers, without torch."""

from dataclasses import dataclass
from typing import Literal

# What explanations call the first layer.
STEM = "stem"

AssignmentKind = Literal["learnable", "fixed"]


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
    assignment: AssignmentKind

    @property
    def is_stem(self) -> bool:
        """Whether the input is an image."""
        return self.name == STEM

    @property
    def num_channel_regions(self) -> int:
        """D, the rows of the assignment."""
        return self.channels * self.regions[0] * self.regions[1]


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
    assignment: AssignmentKind

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
                    name=STEM if layer == 1 else f"block{layer}",
                    in_channels=in_channels,
                    channels=channels,
                    starts_stage=starts_stage,
                    # An identity shortcut adds arrays: grid and width must be the same.
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
