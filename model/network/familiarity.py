"""How much an image is like those that a network learned from, by what the pass computes anyway.

Axes: N images, C channels of the layer that is looked at, E directions among them, K classes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from model.network.block import Readout
from model.network.stack import ForwardForwardNetwork

# The first layer that sees more than edges; how an image looks is told best there.
LOOKED_AT = 1


class Look(NamedTuple):
    """What familiarity is read from.

    Attributes:
        activity: `(N, C)`, float32, the standardised activity of an early layer's channels, on
            average over their regions.
        last: `(N, K)`, float32, the last layer's scaled goodness.
    """

    activity: Tensor
    last: Tensor


def look(network: ForwardForwardNetwork, readouts: Sequence[Readout]) -> Look:
    """Take from all layers' readouts what familiarity is read from."""
    layer = min(LOOKED_AT, len(readouts) - 1)
    regions = (network.layers()[layer].spec.channels, -1)
    activity = torch.unflatten(readouts[layer].standardised, -1, regions).mean(-1)
    return Look(activity, readouts[-1].scaled_goodness)


class FamiliarityFit(NamedTuple):
    """What was learned of familiar images.

    Attributes:
        whitening: `(C, E)`, float32, turns channels' activity into independent directions of
            variance 1 around their class's mean.
        centres: `(K, E)`, float32, the classes' means in those directions.
        energy: mean and standard deviation of the last layer's log-sum-exp, on validation.
        distance: the same of the squared distance to the nearest centre.
    """

    whitening: Tensor
    centres: Tensor
    energy: tuple[float, float]
    distance: tuple[float, float]


class Familiarity(nn.Module):
    """Scores images: high for what the network has learned, low for what it has not.

    The last layer's total goodness says how much the image has of any class; the distance to
    the nearest class in the channels of an early layer says whether it looks like a picture of
    this data set at all. Only distances that are longer than usual count.

    Source: energy after Liu et al. (NeurIPS 2020), distance after Lee et al. (NeurIPS 2018);
        reading both from goodness, and the hinge that joins them, is ours.
    """

    def __init__(self, fit: FamiliarityFit) -> None:
        """Keep what was learned."""
        super().__init__()
        self.register_buffer("whitening", fit.whitening)
        self.register_buffer("centres", fit.centres)
        self._energy, self._distance = fit.energy, fit.distance

    def forward(self, activity: Tensor, last: Tensor) -> Tensor:
        """Score images.

        Args:
            activity: `(N, C)`, float32, as `look` gives it.
            last: `(N, K)`, float32, as `look` gives it.

        Returns:
            `(N,)`, float32.
        """
        mean, deviation = self._energy
        energy = (torch.logsumexp(last, dim=1) - mean) / deviation
        mean, deviation = self._distance
        beyond = (self.distance(activity) - mean) / deviation - 1
        return energy - beyond.clamp_min(0)

    def distance(self, activity: Tensor) -> Tensor:
        """Give the squared distance to the nearest class: `(N,)`, float32."""
        return nearest(activity @ self.get_buffer("whitening"), self.get_buffer("centres"))


def nearest(points: Tensor, centres: Tensor) -> Tensor:
    """Give the squared distance from each point `(N, E)` to the nearest centre `(K, E)`: `(N,)`."""
    squares = points.square().sum(1, keepdim=True) + centres.square().sum(1)
    return (squares - 2 * points @ centres.T).amin(dim=1)
