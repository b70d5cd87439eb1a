"""The shape of a network and of its blocks: plain numbers, without torch."""

from dataclasses import dataclass

from model.network.rule import AssignmentKind, LayerRule

# What explanations call the first layer.
STEM = "stem"


@dataclass(frozen=True)
class BlockSpec(LayerRule):
    """The shape of one block, and the rule it follows.

    Attributes:
        name: what explanations call this layer.
        in_channels: channels of its input.
        channels: channels of its activity, C.
        starts_stage: whether its input is halved first, by 2 x 2 pooling.
        has_shortcut: whether its input is added to what it passes on.
        regions: regions down and across in which a channel is read.
        num_classes: K.
        assignment: learnable, tempered, or the older methods' fixed equal partition.
        concatenates: whether its input is passed on too, behind its own channels.
        convolutions: each with norm and ReLU: one, or two that learn together from the layer's one
            loss, so that a gradient crosses the second.
    """

    name: str
    in_channels: int
    channels: int
    starts_stage: bool
    has_shortcut: bool
    regions: tuple[int, int]
    num_classes: int
    assignment: AssignmentKind
    concatenates: bool = False
    convolutions: int = 1

    @property
    def is_stem(self) -> bool:
        """Whether the input is an image."""
        return self.name == STEM

    @property
    def num_channel_regions(self) -> int:
        """D, the rows of the assignment."""
        return self.channels * self.regions[0] * self.regions[1]


@dataclass(frozen=True)
class NetworkSpec(LayerRule):
    """The shape of a whole network, and the rule of its layers.

    Attributes:
        image_height: rows of the input, H.
        image_width: columns of the input, W.
        num_classes: K, at least 2.
        widths: channels that each layer passes on.
        pool_before: 1-based layers that begin a stage with 2 x 2 pooling.
        regions: R; a layer whose grid is smaller than R reads each position by itself.
        shortcut: whether layers inside a stage add their input to what they pass on.
        assignment: learnable, tempered, or the older methods' fixed equal partition.
        concatenate: whether a layer that passes on more channels than it is given passes those
            on as they are; its own channels are the others.
        convolutions: one or two of each layer, first layer first; layers that are not named have
            as many as the last one named.
        mirrored: whether an image's scores are the mean of its own and its mirror image's.
    """

    image_height: int
    image_width: int
    num_classes: int
    widths: tuple[int, ...]
    pool_before: tuple[int, ...]
    regions: int
    shortcut: bool
    assignment: AssignmentKind
    concatenate: bool = False
    convolutions: tuple[int, ...] = (1,)
    mirrored: bool = False

    def blocks(self) -> list[BlockSpec]:
        """Work out every block's shape.

        Raises:
            ValueError: fewer than two classes, no layers, a grid pooled away to nothing, or a
                rule that cannot be followed.
        """
        self._check()
        specs: list[BlockSpec] = []
        height, width, in_channels = self.image_height, self.image_width, 3
        for layer, passed in enumerate(self.widths, start=1):
            if layer in self.pool_before:
                height, width = height // 2, width // 2
            self._check_grid(layer, height, width)
            specs.append(self._block(layer, in_channels, passed, (height, width)))
            in_channels = passed
        return specs

    def _block(self, layer: int, in_channels: int, passed: int, grid: tuple[int, int]) -> BlockSpec:
        starts_stage = layer in self.pool_before
        inside_stage = layer > 1 and not starts_stage
        concatenates = self.concatenate and layer > 1 and passed > in_channels
        return BlockSpec(
            name=STEM if layer == 1 else f"block{layer}",
            in_channels=in_channels,
            channels=passed - in_channels if concatenates else passed,
            starts_stage=starts_stage,
            # An identity shortcut adds arrays: grid and width must be the same.
            has_shortcut=self.shortcut and inside_stage and in_channels == passed,
            regions=(min(self.regions, grid[0]), min(self.regions, grid[1])),
            num_classes=self.num_classes,
            assignment=self.assignment,
            concatenates=concatenates,
            convolutions=self.convolutions[min(layer, len(self.convolutions)) - 1],
            **self.options(),
        )

    def _check_grid(self, layer: int, height: int, width: int) -> None:
        if min(height, width) < 1:
            message = (
                f"layer {layer} has no positions left: an image of {self.image_height} x "
                f"{self.image_width} cannot be pooled that often; pool fewer times"
            )
            raise ValueError(message)
        if height * width == 1 and self.input_norm == "instance":
            message = (
                f"layer {layer} has one position, which instance norm makes 0; pool fewer times "
                "or use another input_norm"
            )
            raise ValueError(message)

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
        if not 1 <= len(self.convolutions) <= len(self.widths):
            message = (
                f"convolutions names {len(self.convolutions)} layers, but there are "
                f"{len(self.widths)}"
            )
            raise ValueError(message)
        if not {1, 2}.issuperset(self.convolutions):
            message = f"a layer has one convolution or two, got {self.convolutions}"
            raise ValueError(message)
        self.check_rule()
