"""How much an image is like those that a network learned from, by what the pass computes anyway.

Axes: N images, L layers, C channels of one of them, E directions among these, K classes.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from model.network.block import Readout
from model.network.stack import ForwardForwardNetwork


class Look(NamedTuple):
    """What familiarity is read from.

    Attributes:
        activities: of each layer `(N, C)`, float32, the standardised activity of its channels, on
            average over their regions.
        scores: `(N, K)`, float32, whose softmax is the probabilities.
    """

    activities: tuple[Tensor, ...]
    scores: Tensor

    @classmethod
    def joined(cls, parts: "Iterable[Look]") -> "Look":
        """Join what was read of one batch after the other."""
        activities, scores = zip(*parts, strict=True)
        return cls(tuple(map(torch.cat, zip(*activities, strict=True))), torch.cat(scores))


def look(network: ForwardForwardNetwork, readouts: Sequence[Readout], scores: Tensor) -> Look:
    """Take what familiarity is read from out of a calibrated network's pass.

    Args:
        network: that was asked.
        readouts: of every layer, first to last.
        scores: `(N, K)`, float32, which it combined them into.
    """
    activities = tuple(
        torch.unflatten(readout.standardised, -1, (block.spec.channels, -1)).mean(-1)
        for block, readout in zip(network.layers(), readouts, strict=True)
    )
    return Look(activities, scores / network.get_buffer("temperature"))


class Whitened(nn.Module):
    """The distance of a layer's activity from that of familiar images."""

    def __init__(self, whitening: Tensor, centres: Tensor) -> None:
        """Keep what was learned.

        Args:
            whitening: `(C, E)`, float32, turns channels' activity into independent directions of
                variance 1 around their class's mean.
            centres: `(K, E)`, float32, the classes' means in those directions.
        """
        super().__init__()
        self.register_buffer("whitening", whitening)
        self.register_buffer("centres", centres)

    def forward(self, activity: Tensor) -> Tensor:
        """Give the squared distance of activity `(N, C)` to the nearest class: `(N,)`, float32."""
        return nearest(activity @ self.get_buffer("whitening"), self.get_buffer("centres"))


class FamiliarityFit(NamedTuple):
    """What was learned of familiar images.

    Attributes:
        layers: of each layer, what measures the distance of its activity.
        distances: of each layer, mean and standard deviation of that on validation.
        energy: the same of the scores' log-sum-exp.
    """

    layers: tuple[Whitened, ...]
    distances: tuple[tuple[float, float], ...]
    energy: tuple[float, float]


class Familiarity(nn.Module):
    """Scores images: high for what the network has learned, low for what it has not.

    The goodness of all layers says how much the image has of any class; the distance to the
    nearest class in a layer's channels says whether it looks like a picture of this data set at
    all. The layer in which it is oddest counts, and only if it is odder there than usual.

    Source: energy after Liu et al. (NeurIPS 2020), distances after Lee et al. (NeurIPS 2018);
        reading both from goodness, and the hinge that joins them, is ours.
    """

    def __init__(self, fit: FamiliarityFit) -> None:
        """Keep what was learned."""
        super().__init__()
        self.layers = nn.ModuleList(fit.layers)
        self._distances, self._energy = fit.distances, fit.energy

    def forward(self, activities: Sequence[Tensor], scores: Tensor) -> Tensor:
        """Score images.

        Args:
            activities: of each layer `(N, C)`, float32, as in a `Look`.
            scores: `(N, K)`, float32, as in a `Look`.

        Returns:
            `(N,)`, float32.
        """
        mean, deviation = self._energy
        energy = (torch.logsumexp(scores, dim=1) - mean) / deviation
        oddness = [
            (cast("Whitened", layer)(activity) - mean) / deviation
            for layer, activity, (mean, deviation) in zip(
                self.layers, activities, self._distances, strict=True
            )
        ]
        return energy - (torch.stack(oddness).amax(0) - 1).clamp_min(0)


def nearest(points: Tensor, centres: Tensor) -> Tensor:
    """Give the squared distance from each point `(N, E)` to the nearest centre `(K, E)`: `(N,)`."""
    squares = points.square().sum(1, keepdim=True) + centres.square().sum(1)
    return (squares - 2 * points @ centres.T).amin(dim=1)
