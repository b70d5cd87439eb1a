"""The residual stack of Forward-Forward blocks, read as one classifier."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Self, cast

import torch
from torch import Tensor, nn

from model.network.block import ForwardForwardBlock, Readout
from model.network.spec import NetworkSpec
from model.network.views import averaged, views_of


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


class LayerReading(NamedTuple):
    """What one layer makes of images, and says of their classes.

    Attributes:
        block: the layer.
        activity: `(V * N, C_l, H_l, W_l)`, of every view; see `model.network.views`.
        readout: of N rows, the mean over the views.
    """

    block: ForwardForwardBlock
    activity: Tensor
    readout: Readout


class ForwardForwardNetwork(nn.Module):
    """A stack of blocks whose weighted goodness is the class score.

    Normalisation lives inside: the input is plain uint8 pixels. The layer weights and the
    temperature are set once, from the validation split, by `calibrate`.

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
        """List the blocks, first to last: all of them, for a block left out would go unnoticed."""
        return cast("list[ForwardForwardBlock]", list(self.blocks))

    def set_pixel_statistics(self, mean: Tensor, deviation: Tensor) -> Self:
        """Keep the training split's `(3,)` mean and standard deviation, in units of 0 to 1."""
        self.get_buffer("pixel_mean").copy_(mean)
        self.get_buffer("pixel_deviation").copy_(deviation)
        return self

    def calibrate(self, layer_weights: Tensor, temperature: float) -> Self:
        """Keep the layer weights `(L,)` and the temperature of the probabilities."""
        self.get_buffer("layer_weights").copy_(layer_weights)
        self.get_buffer("temperature").fill_(temperature)
        return self

    def normalised(self, images: Tensor) -> Tensor:
        """Turn `(N, H, W, 3)` uint8 pixels into the first block's `(N, 3, H, W)` float32."""
        mean, deviation = self.get_buffer("pixel_mean"), self.get_buffer("pixel_deviation")
        unit = images.to(torch.float32) / 255
        return ((unit - mean) / deviation).permute(0, 3, 1, 2)

    def activities(self, images: Tensor) -> Iterator[tuple[ForwardForwardBlock, Tensor]]:
        """Go up the stack, nothing flowing back.

        Args:
            images: `(N, H, W, 3)`, uint8.

        Yields:
            Each block with its activity, `(N, C_l, H_l, W_l)`.
        """
        x = self.normalised(images)
        for block in self.layers():
            prepared = block.prepared(x)
            activity = block.activity(prepared)
            yield block, activity
            x = block.pass_on(activity, prepared)

    def readings(self, images: Tensor, *, as_is: bool = False) -> Iterator[LayerReading]:
        """Go up the stack with all views of the images, and read every layer.

        Args:
            images: `(N, H, W, 3)`, uint8.
            as_is: whether to leave their mirror images out where the network has them.

        Yields:
            What each layer makes of them, first to last.
        """
        is_mirrored = self.spec.mirrored and not as_is
        for block, activity in self.activities(views_of(images, is_mirrored=is_mirrored)):
            # Standardising and weighing are linear: the scores' mean is the mean's score.
            of_views = block.read(activity)
            mean = (averaged(part, is_mirrored=is_mirrored) for part in of_views)
            yield LayerReading(block, activity, Readout(*mean))

    def scaled_goodness(self, images: Tensor, *, as_is: bool = False) -> Tensor:
        """Score the classes by each layer alone.

        Args:
            images: `(N, H, W, 3)`, uint8.
            as_is: as for `readings`.

        Returns:
            `(N, L, K)`, float32.
        """
        read = [reading.readout.scaled_goodness for reading in self.readings(images, as_is=as_is)]
        return torch.stack(read, dim=1)

    def combine(self, scaled_goodness: Tensor) -> Classification:
        """Weigh the layers' `(N, L, K)` scores into one classifier."""
        contributions = self.get_buffer("layer_weights")[:, None] * scaled_goodness
        # The sum of the contributions is the score by construction, not by a second path.
        scores = contributions.sum(dim=1)
        probabilities = torch.softmax(scores / self.get_buffer("temperature"), dim=1)
        return Classification(scores, probabilities, contributions)

    def combined(self, readouts: Sequence[Readout]) -> Classification:
        """Classify by what every layer was read as, first to last."""
        return self.combine(torch.stack([each.scaled_goodness for each in readouts], dim=1))

    def forward(self, images: Tensor) -> Classification:
        """Classify `(N, H, W, 3)` uint8 images."""
        return self.combine(self.scaled_goodness(images))


def layer_weights(losses: Tensor, temperature: float) -> Tensor:
    """Weigh the layers by how well each does alone on the validation split.

    Args:
        losses: `(L,)`, each layer's mean cross-entropy on validation, in nats.
        temperature: above 0, in nats; near 0 only the best layer counts, large ones make
            all layers count alike.

    Returns:
        `(L,)`, the layer weights w_l: positive, summing to 1.

    Source: arXiv 2606.09928 names loss-aware layer contributions; the softmax is ours.
    """
    return torch.softmax(-losses / temperature, dim=0)
