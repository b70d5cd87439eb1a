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


def early_activity(network: ForwardForwardNetwork, readouts: Sequence[Readout]) -> Tensor:
    """Give the standardised activity of an early layer's channels, on average over their regions.

    Args:
        network: whose layers were read.
        readouts: of its first two layers or more.

    Returns:
        `(N, C)`, float32.
    """
    layer = min(LOOKED_AT, len(readouts) - 1)
    regions = (network.layers()[layer].spec.channels, -1)
    return torch.unflatten(readouts[layer].standardised, -1, regions).mean(-1)


def sharpened(network: ForwardForwardNetwork, scores: Tensor) -> Tensor:
    """Divide a network's scores `(N, K)` by its temperature: their softmax is the probabilities."""
    return scores / network.get_buffer("temperature")


class FamiliarityFit(NamedTuple):
    """What was learned of familiar images.

    Attributes:
        whitening: `(C, E)`, float32, turns channels' activity into independent directions of
            variance 1 around their class's mean.
        centres: `(K, E)`, float32, the classes' means in those directions.
        energy: mean and standard deviation of the scores' log-sum-exp, on validation.
        distance: the same of the squared distance to the nearest centre.
    """

    whitening: Tensor
    centres: Tensor
    energy: tuple[float, float]
    distance: tuple[float, float]


class Familiarity(nn.Module):
    """Scores images: high for what the network has learned, low for what it has not.

    The goodness of all layers says how much the image has of any class; the distance to
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

    def forward(self, activity: Tensor, scores: Tensor) -> Tensor:
        """Score images.

        Args:
            activity: `(N, C)`, float32, from `early_activity`.
            scores: `(N, K)`, float32, from `sharpened`.

        Returns:
            `(N,)`, float32.
        """
        mean, deviation = self._energy
        energy = (torch.logsumexp(scores, dim=1) - mean) / deviation
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
